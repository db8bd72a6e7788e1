// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// A window to write in, docked at the lower edge; on a small screen the whole of it. Never in the way of the rest.
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatAddress } from '../lib/addresses.ts';
import { formatSize, formatTime, t } from '../i18n.ts';
import { attachFile, cancelUpload, isPending, retryUpload, type Attachment } from '../store/attachments.ts';
import { close, composers, discard, raise, send, touch, type Composer } from '../store/composers.ts';
import { identities } from '../store/identities.ts';
import { confirmed } from '../store/notices.ts';
import { layout } from '../store/view.ts';
import { ComposeBody } from './body.tsx';
import { Icon } from './icons.tsx';
import { IconButton, Spinner } from './parts.tsx';
import { RecipientField } from './recipients.tsx';

function attach(composer: Composer, files: Iterable<File>): void {
	composer.attachments.value = [...composer.attachments.value, ...Array.from(files, (file) => {
		const attachment = attachFile(file, file.name);
		watch(composer, attachment);
		return attachment;
	})];
	touch(composer);
}

/** The draft is saved again once the server has the file. */
function watch(composer: Composer, attachment: Attachment): void {
	const stop = attachment.blobId.subscribe((blobId) => {
		if (blobId === null) return;
		touch(composer);
		queueMicrotask(() => stop());
	});
}

function AttachmentRow({ composer, attachment }: { composer: Composer; attachment: Attachment }) {
	const { name, size } = attachment;
	const error = attachment.error.value;
	const pending = isPending(attachment);
	const percent = size > 0 ? Math.floor(attachment.sent.value / size * 100) : 0;
	const remove = (): void => {
		cancelUpload(attachment);
		composer.attachments.value = composer.attachments.value.filter((other) => other !== attachment);
		touch(composer);
	};
	return (
		<li class={`file small ${error ? 'failed' : ''}`}>
			<span class="file-icon"><Icon name={error ? 'warning' : 'file'} /></span>
			<span class="file-text">
				<span class="file-name" dir="auto">{name}</span>
				<span class="muted">{error ?? formatSize(size)}</span>
				{pending && <progress max={Math.max(1, size)} value={Math.min(attachment.sent.value, size)} aria-label={t('attachment.progress', { name, percent: `${percent}%` })} />}
			</span>
			{error && attachment.file && <IconButton icon="retry" label={t('attachment.retry', { name })} onClick={() => retryUpload(attachment)} />}
			<IconButton icon="close" label={pending ? t('attachment.cancel', { name }) : t('compose.remove', { name })} onClick={remove} />
		</li>
	);
}

function SaveState({ composer }: { composer: Composer }) {
	const { state, savedAt } = composer;
	const text = state.value === 'saving' ? t('compose.saving') :
		state.value === 'dirty' ? t('compose.unsaved') :
			state.value === 'failed' ? t('compose.saveFailed') :
				savedAt.value ? t('compose.savedAt', { time: formatTime(savedAt.value) }) : '';
	return <span class="save-state muted">{text}</span>;
}

function Fields({ composer }: { composer: Composer }) {
	const subject = useRef<HTMLInputElement>(null);
	return (
		<div class="compose-fields">
			{identities.value.length > 1 && <div class="compose-field">
				<label for={`from-${composer.key}`}>{t('field.from')}</label>
				<select id={`from-${composer.key}`} value={composer.identityId.value} onChange={(event) => {
					composer.identityId.value = event.currentTarget.value;
					touch(composer);
				}}>{identities.value.map(({ id, name, email }) => <option key={id} value={id}>{formatAddress({ name, email })}</option>)}</select>
			</div>}
			<RecipientField composer={composer} field="to" focus={composer.focus === 'to'} />
			{composer.shownFields.value.cc && <RecipientField composer={composer} field="cc" focus={composer.focus === 'cc'} />}
			{composer.shownFields.value.bcc && <RecipientField composer={composer} field="bcc" focus={composer.focus === 'bcc'} />}
			<div class="compose-field">
				<label for={`subject-${composer.key}`}>{t('field.subject')}</label>
				<input ref={subject} id={`subject-${composer.key}`} type="text" autocomplete="off" maxLength={900} value={composer.subject.value} dir="auto"
					onInput={(event) => {
						composer.subject.value = event.currentTarget.value;
						touch(composer);
					}}
					onKeyDown={(event) => {
						if (event.key !== 'Enter' || event.isComposing || event.ctrlKey || event.metaKey) return;
						event.preventDefault();
						composer.body?.focus();
					}} />
			</div>
		</div>
	);
}

async function changeMode(composer: Composer): Promise<void> {
	if (composer.rich.value && !await confirmed({ title: t('compose.toPlain.title'), text: t('compose.toPlain.text'), confirm: t('compose.toPlain.confirm') })) return;
	composer.initial = { html: null, text: composer.body?.text() ?? '' };
	composer.body = null;
	composer.rich.value = !composer.rich.value;
	composer.focus = 'body';
	touch(composer);
}

function ComposeWindow({ composer }: { composer: Composer }) {
	const [over, setOver] = useState(false);
	const chooser = useRef<HTMLInputElement>(null);
	const element = useRef<HTMLElement>(null);
	const { state, error } = composer;
	const size = composer.window.value;
	const title = composer.subject.value.trim() || t('compose.title');
	const sending = state.value === 'sending';
	// Images within the text are seen there.
	const files = composer.attachments.value.filter((attachment) => attachment.cid === null || !composer.rich.value || attachment.error.value !== null);
	useEffect(() => {
		if (size !== 'small' && !element.current?.contains(document.activeElement)) composer.body?.focus();
	}, [size]);
	const onKeyDown = (event: KeyboardEvent): void => {
		// Nothing typed here is a shortcut of the page.
		event.stopPropagation();
		if (event.isComposing) return;
		if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
			event.preventDefault();
			(document.activeElement as HTMLElement | null)?.blur();
			void send(composer);
		} else if (event.key === 'Escape') {
			event.preventDefault();
			void close(composer);
		}
	};
	const withFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
	return (
		<section ref={element} class={`compose card ${size}`} aria-label={t('compose.titleOf', { subject: title })} onKeyDown={onKeyDown}
			onDragOver={(event) => {
				if (!withFiles(event)) return;
				event.preventDefault();
				setOver(true);
			}}
			onDragLeave={(event) => {
				if (!element.current?.contains(event.relatedTarget as Node | null)) setOver(false);
			}}
			onDropCapture={(event) => {
				setOver(false);
				if (!withFiles(event)) return;
				event.preventDefault();
				event.stopPropagation();
				attach(composer, event.dataTransfer!.files);
			}}>
			<header class="compose-head" onClick={() => {
				if (size === 'small') raise(composer);
			}}>
				<h2 dir="auto">{title}</h2>
				{size !== 'small' && <SaveState composer={composer} />}
				{layout.value !== 'one' && <>
					<IconButton icon="minimize" label={size === 'small' ? t('compose.restore') : t('compose.minimize')} onClick={(event) => {
						event.stopPropagation();
						if (size === 'small') raise(composer);
						else composer.window.value = 'small';
					}} />
					<IconButton icon={size === 'large' ? 'restore' : 'maximize'} label={size === 'large' ? t('compose.restore') : t('compose.maximize')} onClick={(event) => {
						event.stopPropagation();
						if (size === 'small') raise(composer);
						composer.window.value = size === 'large' ? 'open' : 'large';
					}} />
				</>}
				<IconButton icon="close" label={t('compose.close')} keys="Esc" onClick={(event) => {
					event.stopPropagation();
					void close(composer);
				}} />
			</header>
			<div class="compose-content" hidden={size === 'small'} inert={sending}>
				<Fields composer={composer} />
				<ComposeBody key={String(composer.rich.value)} composer={composer} attach={(list) => attach(composer, list)} />
				{files.length > 0 && <ul class="compose-files" aria-label={t('attachments.label')}>
					{files.map((attachment) => <AttachmentRow key={attachment.key} composer={composer} attachment={attachment} />)}
				</ul>}
				<div role="alert">{error.value && <p class="failure"><Icon name="warning" />{error.value}</p>}</div>
				<footer class="compose-foot">
					<button type="button" class="button primary send" title={`${t('compose.send')} (Ctrl+Enter)`} disabled={sending} onClick={() => void send(composer)}>
						{sending ? <Spinner /> : <Icon name="sent" />}{sending ? t('compose.sending') : t('compose.send')}
					</button>
					<IconButton icon="clip" label={t('compose.attach')} onClick={() => chooser.current!.click()} />
					<input ref={chooser} type="file" multiple class="unseen" tabIndex={-1} aria-label={t('compose.attach')} onChange={(event) => {
						attach(composer, event.currentTarget.files ?? []);
						event.currentTarget.value = '';
					}} />
					<button type="button" class="button quiet" onClick={() => void changeMode(composer)}>{composer.rich.value ? t('compose.plain') : t('compose.rich')}</button>
					<span class="grow" />
					<IconButton icon="trash" label={t('compose.discard')} onClick={() => void discard(composer)} />
				</footer>
			</div>
			{over && <div class="drop-sign"><Icon name="clip" />{t('compose.drop')}</div>}
		</section>
	);
}

export function Composers() {
	return <div class="composers">{composers.value.map((composer) => <ComposeWindow key={composer.key} composer={composer} />)}</div>;
}
