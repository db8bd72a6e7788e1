// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The open message. Its text is a document of its own, in a frame without scripts and without an origin.
import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { formatFullDate, formatMediumDate, formatShortDate, formatSize, t, tn } from '../i18n.ts';
import type { BodyPart, EmailFull } from '../jmap/types.ts';
import { type Address, formatAddress, shortName } from '../lib/addresses.ts';
import { isShownAsFile } from '../store/draft.ts';
import { emailSignal } from '../store/emails.ts';
import { ownEmails } from '../store/identities.ts';
import { asText, frameFragment, frameUrl, gone, message, rendering, thread, withImages } from '../store/reader.ts';
import { compose, editDraft, reply } from '../store/replies.ts';
import { downloadUrl } from '../store/session.ts';
import { closeEmail, layout, openEmail, openId, selected } from '../store/view.ts';
import { Icon, type IconName } from './icons.tsx';
import { Avatar, IconButton, MenuButton, Spinner } from './parts.tsx';
import { ActionBar } from './toolbar.tsx';

function People({ label, people }: { label: string; people: Address[] | null }) {
	if (!people?.length) return null;
	return (
		<div class="people">
			<dt>{label}</dt>
			<dd>{people.map((person, i) => (
				<button type="button" key={i} class="person" title={t('compose')} dir="auto" onClick={() => compose([person])}>{formatAddress(person)}</button>
			))}</dd>
		</div>
	);
}

function recipients(email: EmailFull): string {
	const own = ownEmails();
	const all = [...email.to ?? [], ...email.cc ?? []];
	if (all.length === 1 && own.includes(all[0]!.email.toLowerCase())) return t('reader.toMe');
	const shown = all.slice(0, 3).map(shortName).join(', ');
	return t('reader.to', { names: all.length === 0 ? t('noRecipients') : all.length > 3 ? `${shown} +${all.length - 3}` : shown });
}

function Header({ email }: { email: EmailFull }) {
	const [open, setOpen] = useState(false);
	useEffect(() => setOpen(false), [email.id]);
	const from = email.from?.[0];
	const date = email.sentAt ?? email.receivedAt;
	return (
		<div class="reader-header">
			<h1 class={`reader-subject ${open ? 'whole' : ''}`} dir="auto" title={email.subject ?? undefined}>{email.subject || t('noSubject')}</h1>
			<div class="reader-from">
				<Avatar address={from} />
				<div class="reader-who">
					<div class="reader-sender">
						<strong dir="auto">{from ? shortName(from) : t('noSender')}</strong>
						{from?.name && <span class="muted address" dir="ltr">{from.email}</span>}
					</div>
					<button type="button" class="reader-to" aria-expanded={open} onClick={() => setOpen(!open)}>
						<span dir="auto">{recipients(email)}</span><span class="unseen">{t('reader.details')}</span><Icon name="chevron" />
					</button>
				</div>
				<time class="muted reader-date" dateTime={date} title={formatFullDate(date)}>{formatMediumDate(date)}</time>
			</div>
			{open && <dl class="reader-details">
				<People label={t('field.from')} people={email.from} />
				<People label={t('field.replyTo')} people={email.replyTo} />
				<People label={t('field.to')} people={email.to} />
				<People label={t('field.cc')} people={email.cc} />
				<People label={t('field.bcc')} people={email.bcc} />
				<div class="people"><dt>{t('field.date')}</dt><dd>{formatFullDate(date)}</dd></div>
			</dl>}
		</div>
	);
}

const previewed = /^image\/(?:png|jpeg|gif|webp|avif)$/;

function iconOf(type: string): IconName {
	return type.startsWith('image/') ? 'image' : type.startsWith('text/') ? 'drafts' : type === 'message/rfc822' ? 'unread' : 'file';
}

function Attachments({ parts }: { parts: BodyPart[] }) {
	const files = parts.filter((part) => part.blobId !== null && isShownAsFile(part));
	if (files.length === 0) return null;
	return (
		<section class="attachments" aria-label={tn('reader.attachments', files.length)}>
			<ul>{files.map((part, i) => {
				const name = part.name || (part.type === 'message/rfc822' ? 'message.eml' : t('attachment.unnamed'));
				const url = downloadUrl(part.blobId!, name, part.type);
				return (
					<li key={i}>
						<a class="file" href={url} download={name} title={t('reader.download', { name })}>
							{previewed.test(part.type) && part.size < 4_000_000 ? <img class="file-preview" src={url} alt="" loading="lazy" /> : <span class="file-icon"><Icon name={iconOf(part.type)} /></span>}
							<span class="file-text"><span class="file-name" dir="auto">{name}</span><span class="muted">{formatSize(part.size)}</span></span>
							<Icon name="download" />
						</a>
					</li>
				);
			})}</ul>
		</section>
	);
}

function ThreadRow({ id }: { id: string }) {
	const summary = emailSignal(id).value;
	if (!summary) return null;
	const current = openId.value === id;
	return (
		<li>
			<button type="button" class={`thread-row ${current ? 'current' : ''} ${summary.keywords.$seen ? '' : 'unread'}`} aria-current={current ? 'true' : undefined} onClick={() => openEmail(id)}>
				<strong dir="auto">{summary.from?.map(shortName).join(', ') || t('noSender')}</strong>
				<span class="thread-preview muted" dir="auto">{summary.preview}</span>
				<time class="muted" dateTime={summary.receivedAt}>{formatShortDate(summary.receivedAt)}</time>
			</button>
		</li>
	);
}

/** Whether the reader wants to see conversations: kept from message to message. */
const unfolded = signal(false);

/** The other messages of the conversation, also those in other folders. */
function Conversation() {
	const ids = thread.value;
	if (ids.length < 2) return null;
	return (
		<details class="thread" open={unfolded.value} onToggle={(event) => {
			unfolded.value = event.currentTarget.open;
		}}>
			<summary>{tn('thread.count', ids.length)}</summary>
			<ul aria-label={t('thread.label')}>{ids.map((id) => <ThreadRow key={id} id={id} />)}</ul>
		</details>
	);
}

function Images() {
	const n = rendering.value?.remoteImages ?? 0;
	if (n === 0 || withImages.value || asText.value) return null;
	return (
		<p class="banner">
			<Icon name="image" />
			<span title={t('reader.images.why')}>{tn('reader.images', n)}</span>
			<button type="button" class="button" onClick={() => {
				withImages.value = true;
			}}>{t('reader.images.show')}</button>
		</p>
	);
}

function Toolbar({ id }: { id: string }) {
	const summary = emailSignal(id).value;
	const draft = summary?.keywords.$draft;
	const { hasHtml, hasText } = rendering.value ?? { hasHtml: false, hasText: false };
	return (
		<div class="reader-bar">
			{layout.value === 'one' && <IconButton icon="back" label={t('action.back')} onClick={closeEmail} />}
			{draft ?
				<button type="button" class="button primary" onClick={() => void editDraft(id)}><Icon name="pen" />{t('action.edit')}</button> :
				<div class="reply-bar">
					<button type="button" class="button tonal" aria-label={t('action.reply')} title={`${t('action.reply')} (r)`} onClick={() => void reply(id, 'reply')}><Icon name="reply" /><span>{t('action.reply')}</span></button>
					<IconButton icon="replyAll" label={t('action.replyAll')} keys="a" onClick={() => void reply(id, 'replyAll')} />
					<IconButton icon="forward" label={t('action.forward')} keys="f" onClick={() => void reply(id, 'forward')} />
				</div>}
			<span class="grow" />
			<ActionBar of={[id]} />
			<MenuButton label={t('more')} items={[
				hasHtml && hasText && { icon: 'text', label: `${asText.value ? t('action.html') : t('action.text')} (t)`, run: toggleText },
				{ icon: 'external', label: t('action.window'), run: () => void window.open(frameUrl(id), '_blank', 'noopener') },
				summary && { icon: 'download', label: t('action.source'), run: () => save(downloadUrl(summary.blobId, `${summary.subject || 'message'}.eml`, 'message/rfc822')) },
			]} />
			{layout.value !== 'one' && <IconButton icon="close" label={t('close')} keys="Esc" onClick={closeEmail} />}
		</div>
	);
}

export function toggleText(): void {
	if (rendering.value?.hasHtml && rendering.value.hasText) asText.value = !asText.value;
}

function save(url: string): void {
	const link = document.createElement('a');
	link.href = url;
	link.download = '';
	link.click();
}

export function Reader() {
	const id = openId.value;
	const chosen = selected.value.size;
	if (!id) {
		return (
			<section class="reader card none" aria-label={t('reader.label')}>
				<div class="empty">
					<Icon name={chosen > 0 ? 'check' : 'unread'} />
					<p>{chosen > 0 ? tn('list.selected', chosen) : t('reader.none')}</p>
					<p class="muted">{chosen > 0 ? t('reader.selected.hint') : t('reader.none.hint')}</p>
				</div>
			</section>
		);
	}
	const email = message.value;
	const subject = email?.subject || t('noSubject');
	return (
		<section class="reader card" aria-label={t('reader.label')} id="reader" tabIndex={-1}>
			<Toolbar id={id} />
			{gone.value ? <div class="empty"><Icon name="warning" /><p>{t('reader.gone')}</p></div> :
				!email ? <div class="empty waiting"><Spinner /></div> :
					<article class="reader-message" aria-label={subject}>
						<Header email={email} />
						<Conversation />
						<Images />
						<Attachments parts={email.attachments} />
						{rendering.value && !rendering.value.hasHtml && !rendering.value.hasText ?
							<p class="no-text muted">{t('reader.noText')}</p> :
							<iframe key={frameUrl(id)} class={`reader-frame ${asText.value || !rendering.value?.hasHtml ? 'plain' : 'sheet'}`} sandbox="allow-popups allow-popups-to-escape-sandbox"
								src={frameUrl(id) + frameFragment()} title={t('reader.frame', { subject })} referrerpolicy="no-referrer" />}
					</article>}
		</section>
	);
}
