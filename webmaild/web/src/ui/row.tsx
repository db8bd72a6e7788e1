// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// One row of the list.
import { formatFullDate, formatShortDate, t } from '../i18n.ts';
import type { EmailSummary } from '../jmap/types.ts';
import { shortName } from '../lib/addresses.ts';
import { snippetRuns } from '../lib/text.ts';
import { remove, toggleKeyword } from '../store/actions.ts';
import { emailSignal } from '../store/emails.ts';
import { snippets, view } from '../store/list.ts';
import { mailboxes, mailboxName } from '../store/mailboxes.ts';
import { editDraft } from '../store/replies.ts';
import { currentMailbox, cursorId, openEmail, openId, selected, selectRange, toggleSelected } from '../store/view.ts';
import { dragType } from './folders.tsx';
import { Icon } from './icons.tsx';
import { Avatar, IconButton } from './parts.tsx';

/** Pixels; style sheet and arithmetic agree on it. */
export const rowHeight = 84;

/** Opens a message, or goes on with it when it is a draft. */
export function open(summary: EmailSummary): void {
	if (summary.keywords.$draft && summary.mailboxIds && Object.keys(summary.mailboxIds).some((id) => mailboxes.value.get(id)?.role === 'drafts')) {
		cursorId.value = summary.id;
		void editDraft(summary.id);
	} else {
		openEmail(summary.id);
	}
}

function Marked({ snippet, plain }: { snippet: string | null | undefined; plain: string }) {
	if (!snippet) return <>{plain}</>;
	return <>{snippetRuns(snippet).map(({ text, marked }, i) => (marked ? <mark key={i}>{text}</mark> : text))}</>;
}

function names(summary: EmailSummary): string {
	const role = currentMailbox.value?.role;
	if (role === 'sent' || role === 'drafts') {
		const to = (summary.to ?? []).map(shortName).join(', ');
		return t('list.to', { names: to || t('noRecipients') });
	}
	return summary.from?.map(shortName).join(', ') || t('noSender');
}

export function Row({ id, index, tabbable }: { id: string | undefined; index: number; tabbable: boolean }) {
	const summary = id === undefined ? null : emailSignal(id).value;
	const put = (element: HTMLElement | null): void => {
		if (element) element.style.transform = `translateY(${index * rowHeight}px)`;
	};
	if (id === undefined || !summary) return <div class="row waiting" ref={put} role="row" aria-rowindex={index + 1} tabIndex={-1}><div role="gridcell"><span class="unseen">{t('list.loading')}</span></div></div>;
	const isSelected = selected.value.has(id);
	const { keywords } = summary;
	const snippet = snippets.value.get(id);
	const outgoing = ['sent', 'drafts'].includes(currentMailbox.value?.role ?? '');
	const person = outgoing ? summary.to?.[0] : summary.from?.[0];
	const where = view.value.search ? Object.keys(summary.mailboxIds).map((box) => mailboxes.value.get(box)).find((box) => box !== undefined) : undefined;
	const classes = ['row', keywords.$seen ? '' : 'unread', isSelected ? 'selected' : '', openId.value === id ? 'open' : '', selected.value.size > 0 ? 'selecting' : ''];
	return (
		<div class={classes.join(' ')} ref={put} role="row" aria-rowindex={index + 1} aria-selected={isSelected || openId.value === id} tabIndex={tabbable ? 0 : -1} data-id={id} draggable
			onFocus={(event) => {
				if (event.target === event.currentTarget) cursorId.value = id;
			}}
			onDragStart={(event) => event.dataTransfer?.setData(dragType, JSON.stringify(isSelected ? [...selected.value] : [id]))}
			onClick={(event) => {
				if (event.shiftKey) selectRange(id);
				else if (event.ctrlKey || event.metaKey) toggleSelected(id);
				else open(summary);
			}}>
			<div role="gridcell" class="row-select" onClick={(event) => {
				event.stopPropagation();
				if (event.shiftKey) selectRange(id);
				else toggleSelected(id);
			}}>
				<Avatar address={person} />
				<button type="button" class="check" role="checkbox" aria-checked={isSelected} aria-label={t('list.select')} tabIndex={-1}>{isSelected && <Icon name="check" />}</button>
			</div>
			<div role="gridcell" class="row-text">
				<div class="row-line">
					{!keywords.$seen && <span class="dot"><span class="unseen">{t('row.unread')}</span></span>}
					<span class="row-name" dir="auto">{names(summary)}</span>
					{keywords.$answered && <span class="row-mark" title={t('row.answered')}><Icon name="reply" /><span class="unseen">{t('row.answered')}</span></span>}
					{keywords.$forwarded && <span class="row-mark" title={t('row.forwarded')}><Icon name="forward" /><span class="unseen">{t('row.forwarded')}</span></span>}
					<time class="row-date" dateTime={summary.receivedAt} title={formatFullDate(summary.receivedAt)}>{formatShortDate(summary.receivedAt)}</time>
				</div>
				<div class="row-line">
					<span class="row-subject" dir="auto">{keywords.$draft && <span class="row-draft">{t('row.draft')}</span>}<Marked snippet={snippet?.subject} plain={summary.subject || t('noSubject')} /></span>
					{where && <span class="row-where">{mailboxName(where)}</span>}
					{summary.hasAttachment && <span class="row-mark" title={t('row.attachment')}><Icon name="clip" /><span class="unseen">{t('row.attachment')}</span></span>}
					{keywords.$flagged && <span class="row-mark flagged" title={t('row.flagged')}><Icon name="flag" filled /><span class="unseen">{t('row.flagged')}</span></span>}
				</div>
				<div class="row-preview" dir="auto"><Marked snippet={snippet?.preview} plain={summary.preview} /></div>
			</div>
			<div role="gridcell" class="row-actions">
				<IconButton tabIndex={-1} icon="flag" filled={keywords.$flagged} label={keywords.$flagged ? t('action.unflag') : t('action.flag')} onClick={(event) => {
					event.stopPropagation();
					toggleKeyword([id], '$flagged');
				}} />
				<IconButton tabIndex={-1} icon={keywords.$seen ? 'unread' : 'read'} label={keywords.$seen ? t('action.markUnread') : t('action.markRead')} onClick={(event) => {
					event.stopPropagation();
					toggleKeyword([id], '$seen');
				}} />
				<IconButton tabIndex={-1} icon="trash" label={t('action.delete')} onClick={(event) => {
					event.stopPropagation();
					void remove([id]);
				}} />
			</div>
		</div>
	);
}
