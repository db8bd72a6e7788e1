// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Keys of the whole page. None counts while text is entered, while an input method composes, or while a dialog is open.
import { archive, markJunk, removeTargets, selectAll, toggleKeyword } from '../store/actions.ts';
import { email } from '../store/emails.ts';
import { settings } from '../store/settings.ts';
import { compose, reply, type ReplyKind } from '../store/replies.ts';
import { clearSelection, closeEmail, cursorId, foldersShown, moveCursor, openId, selected, targets, toggleSelected } from '../store/view.ts';
import { toggleText } from './reader.tsx';
import { open } from './row.tsx';
import { moving } from './toolbar.tsx';
import { dialog, focusSearch } from './topbar.tsx';

function answer(kind: ReplyKind): void {
	const id = openId.value ?? cursorId.value;
	if (id) void reply(id, kind);
}

function openCursor(): void {
	const summary = cursorId.value ? email(cursorId.value) : null;
	if (summary) open(summary);
}

function leave(): void {
	if (selected.value.size > 0) clearSelection();
	else if (foldersShown.value) foldersShown.value = false;
	else closeEmail();
}

function choose(): void {
	if (cursorId.value) toggleSelected(cursorId.value);
}

/** Those that work without "shortcuts": they are what the keys are for, where nothing else has the focus. */
const always: Record<string, () => void> = {
	ArrowDown: () => void moveCursor(1),
	ArrowUp: () => void moveCursor(-1),
	PageDown: () => void moveCursor(10),
	PageUp: () => void moveCursor(-10),
	Home: () => void moveCursor(-1e9),
	End: () => void moveCursor(1e9),
	Enter: openCursor,
	' ': choose,
	Delete: removeTargets,
};

const letters: Record<string, () => void> = {
	j: () => void moveCursor(1),
	k: () => void moveCursor(-1),
	o: openCursor,
	x: choose,
	c: () => void compose(),
	r: () => answer('reply'),
	a: () => answer('replyAll'),
	f: () => answer('forward'),
	e: () => void archive(targets()),
	'#': removeTargets,
	'!': () => void markJunk(targets()),
	v: () => {
		const ids = targets();
		if (ids.length > 0) moving.value = ids;
	},
	u: () => toggleKeyword(targets(), '$seen'),
	s: () => toggleKeyword(targets(), '$flagged'),
	t: toggleText,
	'/': focusSearch,
	'?': () => {
		dialog.value = 'help';
	},
};

function isText(target: EventTarget | null): boolean {
	const element = target as HTMLElement | null;
	return element?.closest?.('input, textarea, select, [contenteditable=true]') != null;
}

function onKeyDown(event: KeyboardEvent): void {
	if (event.isComposing || event.defaultPrevented || event.altKey || isText(event.target) || document.querySelector('dialog[open]')) return;
	const control = event.ctrlKey || event.metaKey;
	const target = event.target as HTMLElement | null;
	const inList = target?.closest?.('.rows') != null;
	const onPage = target === document.body || inList || target?.id === 'reader';
	let run: (() => void) | undefined;
	if (event.key === 'Escape') run = leave;
	else if (control && event.key.toLowerCase() === 'a' && onPage) run = () => void selectAll();
	else if (control) return;
	else if (onPage && !target?.closest('button')) run = always[event.key];
	if (!run && settings.value.shortcuts) run = letters[event.key];
	if (!run) return;
	event.preventDefault();
	run();
}

export function listenForShortcuts(): void {
	document.addEventListener('keydown', onKeyDown);
}
