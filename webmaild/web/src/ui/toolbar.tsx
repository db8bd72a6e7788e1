// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What can be done to the open or the selected messages.
import { useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { t } from '../i18n.ts';
import { archive, markJunk, markNotJunk, moveTo, remove, toggleKeyword } from '../store/actions.ts';
import { emailSignal } from '../store/emails.ts';
import { mailboxes, mailboxName, mailboxPath, tree } from '../store/mailboxes.ts';
import { currentMailbox, targets } from '../store/view.ts';
import { mailboxIcon } from './folders.tsx';
import { Icon } from './icons.tsx';
import { Dialog, IconButton } from './parts.tsx';

/** The messages that the folder chooser is open for. */
export const moving = signal<string[] | null>(null);

export function MoveDialog() {
	const ids = moving.value;
	return ids && <MoveChooser ids={ids} />;
}

function MoveChooser({ ids }: { ids: string[] }) {
	const [text, setText] = useState('');
	const [at, setAt] = useState(0);
	const list = useRef<HTMLUListElement>(null);
	const here = currentMailbox.value?.id;
	const wanted = text.trim().toLowerCase();
	const fitting = tree.value.map(({ mailbox, depth }) => ({ mailbox, depth: wanted ? 0 : depth })).filter(({ mailbox }) => mailbox.id !== here && mailbox.role !== 'drafts' &&
		(mailboxPath(mailbox).toLowerCase().includes(wanted) || mailbox.name.toLowerCase().includes(wanted)));
	const close = (): void => {
		moving.value = null;
	};
	const choose = (id: string | undefined): void => {
		if (!id) return;
		close();
		void moveTo(ids, id);
	};
	useEffect(() => setAt(0), [text]);
	useEffect(() => list.current?.querySelector('.at')?.scrollIntoView({ block: 'nearest' }), [at]);
	return (
		<Dialog title={t('move.title')} onClose={close} class="narrow">
			<input class="chooser-filter" type="text" data-focus placeholder={t('move.filter')} aria-label={t('move.filter')} role="combobox" aria-expanded="true" aria-controls="move-list"
				aria-activedescendant={fitting[at] ? `move-${at}` : undefined} value={text} onInput={(event) => setText(event.currentTarget.value)}
				onKeyDown={(event) => {
					if (event.isComposing) return;
					if (event.key === 'ArrowDown') setAt(Math.min(at + 1, fitting.length - 1));
					else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
					else if (event.key === 'Enter') choose(fitting[at]?.mailbox.id);
					else return;
					event.preventDefault();
				}} />
			<ul class="chooser" id="move-list" role="listbox" aria-label={t('move.title')} ref={list}>
				{fitting.map(({ mailbox, depth }, i) => (
					<li key={mailbox.id} id={`move-${i}`} role="option" aria-selected={i === at} class={`chooser-item depth-${Math.min(depth, 6)} ${i === at ? 'at' : ''}`} onClick={() => choose(mailbox.id)}>
						<Icon name={mailboxIcon(mailbox)} /><span dir="auto">{wanted ? mailboxPath(mailbox) : mailboxName(mailbox)}</span>
					</li>
				))}
			</ul>
			{fitting.length === 0 && <p class="muted">{t('move.none')}</p>}
		</Dialog>
	);
}

/** Buttons for these messages, else for what targets() names. */
export function ActionBar({ compact, of }: { compact?: boolean; of?: string[] }) {
	const ids = of ?? targets();
	const known = ids.slice(0, 200).map((id) => emailSignal(id).value).filter((summary) => summary !== null);
	const roles = new Set(known.flatMap((summary) => Object.keys(summary.mailboxIds).map((id) => mailboxes.value.get(id)?.role)));
	const allSeen = known.length > 0 && known.every(({ keywords }) => keywords.$seen);
	const allFlagged = known.length > 0 && known.every(({ keywords }) => keywords.$flagged);
	const only = (role: string): boolean => roles.size === 1 && roles.has(role);
	return (
		<div class={`action-bar ${compact ? 'compact' : ''}`} role="toolbar" aria-label={t('action.label')}>
			{!only('archive') && <IconButton icon="archive" label={t('action.archive')} keys="e" onClick={() => void archive(ids)} />}
			<IconButton icon="trash" label={only('trash') ? t('action.deleteForever') : t('action.delete')} keys="Del" onClick={() => void remove(ids)} />
			<IconButton icon="move" label={t('action.move')} keys="v" onClick={() => {
				moving.value = ids;
			}} />
			{only('junk') ?
				<IconButton icon="inbox" label={t('action.notJunk')} onClick={() => void markNotJunk(ids)} /> :
				<IconButton icon="junk" label={t('action.junk')} keys="!" onClick={() => void markJunk(ids)} />}
			<IconButton icon={allSeen ? 'unread' : 'read'} label={allSeen ? t('action.markUnread') : t('action.markRead')} keys="u" onClick={() => toggleKeyword(ids, '$seen')} />
			<IconButton icon="flag" filled={allFlagged} class={allFlagged ? 'flagged' : ''} label={allFlagged ? t('action.unflag') : t('action.flag')} keys="s" onClick={() => toggleKeyword(ids, '$flagged')} />
		</div>
	);
}
