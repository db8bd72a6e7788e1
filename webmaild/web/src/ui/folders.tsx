// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The folder pane: special ones first, unread counts, and making, renaming and deleting folders. Messages can be dropped on it.
import { useState } from 'preact/hooks';
import { t, tn, formatNumber } from '../i18n.ts';
import { moveTo, remove } from '../store/actions.ts';
import { view } from '../store/list.ts';
import { createMailbox, deleteMailbox, mailboxName, renameMailbox, tree, type MailboxNode } from '../store/mailboxes.ts';
import { askText, confirmed, reportError } from '../store/notices.ts';
import { compose } from '../store/replies.ts';
import { foldersShown, openMailbox } from '../store/view.ts';
import type { Mailbox } from '../jmap/types.ts';
import { Icon, type IconName } from './icons.tsx';
import { IconButton, MenuButton } from './parts.tsx';

export const dragType = 'application/x-fourpost-messages';

const icons: Record<string, IconName> = { inbox: 'inbox', drafts: 'drafts', sent: 'sent', archive: 'archive', junk: 'junk', trash: 'trash' };

export function mailboxIcon(mailbox: Mailbox): IconName {
	return icons[mailbox.role ?? ''] ?? 'folder';
}

async function create(parent: Mailbox | null): Promise<void> {
	const title = parent ? t('folders.newIn') : t('folders.new');
	const name = await askText({ title, input: { label: t('folders.name'), value: '' }, confirm: t('folders.create') });
	if (!name) return;
	try {
		await createMailbox(name, parent?.id ?? null);
	} catch (error) {
		reportError(error, 'error.folder');
	}
}

async function rename(mailbox: Mailbox): Promise<void> {
	const name = await askText({ title: t('folders.rename'), input: { label: t('folders.name'), value: mailbox.name }, confirm: t('folders.rename') });
	if (!name || name === mailbox.name) return;
	try {
		await renameMailbox(mailbox.id, name);
	} catch (error) {
		reportError(error, 'error.folder');
	}
}

async function drop(mailbox: Mailbox): Promise<void> {
	const text = mailbox.totalEmails > 0 ? tn('folders.delete.text', mailbox.totalEmails) : t('folders.delete.empty');
	if (!await confirmed({ title: t('folders.delete.title', { name: mailboxName(mailbox) }), text, confirm: t('folders.delete'), danger: true })) return;
	try {
		await deleteMailbox(mailbox.id);
		if (view.value.mailboxId === mailbox.id) openMailbox(tree.value[0]!.mailbox.id);
	} catch (error) {
		reportError(error, 'error.folder');
	}
}

function Folder({ node: { mailbox, depth } }: { node: MailboxNode }) {
	const [over, setOver] = useState(false);
	const current = !view.value.search && view.value.mailboxId === mailbox.id;
	const name = mailboxName(mailbox);
	const unread = mailbox.role === 'drafts' ? mailbox.totalEmails : mailbox.unreadEmails;
	const takes = (event: DragEvent): boolean => event.dataTransfer?.types.includes(dragType) ?? false;
	const rights = mailbox.myRights;
	return (
		<li class={`folder depth-${Math.min(depth, 6)} ${current ? 'current' : ''} ${over ? 'over' : ''}`}
			onDragOver={(event) => {
				if (!takes(event)) return;
				event.preventDefault();
				setOver(true);
			}}
			onDragLeave={() => setOver(false)}
			onDrop={(event) => {
				setOver(false);
				if (!takes(event)) return;
				event.preventDefault();
				const ids = JSON.parse(event.dataTransfer!.getData(dragType)) as string[];
				void (mailbox.role === 'trash' ? remove(ids) : moveTo(ids, mailbox.id));
			}}>
			<button type="button" class="folder-button" aria-current={current ? 'page' : undefined} onClick={() => openMailbox(mailbox.id)}>
				<Icon name={mailboxIcon(mailbox)} />
				<span class="folder-name" dir="auto">{name}</span>
				{unread > 0 && <span class={`folder-count ${mailbox.role === 'drafts' ? 'quiet' : ''}`}>
					<span aria-hidden="true">{formatNumber(unread)}</span>
					<span class="unseen">{mailbox.role === 'drafts' ? tn('list.count', unread) : tn('folders.unread', unread)}</span>
				</span>}
			</button>
			<MenuButton label={t('folders.menu', { name })} class="folder-menu" items={[
				rights?.mayCreateChild !== false && { icon: 'newFolder', label: t('folders.newIn'), run: () => void create(mailbox) },
				!mailbox.role && rights?.mayRename !== false && { icon: 'pen', label: t('folders.rename'), run: () => void rename(mailbox) },
				!mailbox.role && rights?.mayDelete !== false && { icon: 'trash', label: t('folders.delete'), run: () => void drop(mailbox), danger: true },
			]} />
		</li>
	);
}

export function Folders() {
	const nodes = tree.value;
	const split = nodes.findIndex(({ mailbox, depth }) => depth === 0 && !mailbox.role);
	const special = split < 0 ? nodes : nodes.slice(0, split);
	const own = split < 0 ? [] : nodes.slice(split);
	return (
		<nav class="folders" aria-label={t('folders.label')} id="folders">
			<button type="button" class="button primary compose-button" title={`${t('compose')} (c)`} onClick={() => {
				foldersShown.value = false;
				compose();
			}}><Icon name="pen" />{t('compose')}</button>
			<div class="folders-scroll">
				<ul>{special.map((node) => <Folder key={node.mailbox.id} node={node} />)}</ul>
				<div class="folders-head">
					<h2>{t('folders.own')}</h2>
					<IconButton icon="plus" label={t('folders.new')} onClick={() => void create(null)} />
				</div>
				<ul>{own.map((node) => <Folder key={node.mailbox.id} node={node} />)}</ul>
			</div>
		</nav>
	);
}
