// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The bar at the top: folders (where they are hidden), search, settings, account.
import { useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { t, type Key } from '../i18n.ts';
import { view } from '../store/list.ts';
import { reportError } from '../store/notices.ts';
import { signOut, username } from '../store/session.ts';
import { storeSettings } from '../store/settings.ts';
import { foldersShown, layout, openSearch } from '../store/view.ts';
import { Icon, Logo } from './icons.tsx';
import { Avatar, IconButton, MenuButton } from './parts.tsx';

export const dialog = signal<'settings' | 'help' | null>(null);
/** At once: what is typed next must not be taken for shortcuts. */
export function focusSearch(): void {
	const input = document.getElementById('search') as HTMLInputElement | null;
	input?.select();
	input?.focus();
}

const hints: [string, Key][] = [
	['from:', 'search.hint.from'], ['to:', 'search.hint.to'], ['subject:', 'search.hint.subject'], ['has:attachment', 'search.hint.has'], ['is:unread', 'search.hint.is'],
	['is:flagged', 'search.hint.flagged'], ['in:', 'search.hint.in'], ['after:2026-01-31', 'search.hint.after'], ['before:2026-01-31', 'search.hint.before'],
];

function Search() {
	const input = useRef<HTMLInputElement>(null);
	const [text, setText] = useState(view.value.search);
	const [open, setOpen] = useState(false);
	useEffect(() => setText(view.value.search), [view.value.search]);
	const add = (hint: string): void => {
		const example = /^(after|before):/.exec(hint);
		const next = `${text.trim()} ${example ? example[0] : hint}`.trim();
		setText(next);
		input.current?.focus();
		if (/^(has|is):/.test(hint)) openSearch(next);
	};
	return (
		<form class="search" role="search" onSubmit={(event) => {
			event.preventDefault();
			setOpen(false);
			openSearch(text);
			input.current?.blur();
		}}
			onFocusOut={(event) => {
				if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOpen(false);
			}}>
			<Icon name="search" />
			<input ref={input} id="search" type="text" inputMode="search" enterkeyhint="search" value={text} aria-label={t('search.label')} placeholder={t('search.placeholder')} title={`${t('search.label')} (/)`} autocomplete="off" spellcheck={false}
				onFocus={() => setOpen(true)}
				onInput={(event) => setText(event.currentTarget.value)}
				onKeyDown={(event) => {
					event.stopPropagation();
					if (event.key !== 'Escape' || event.isComposing) return;
					setOpen(false);
					if (text) {
						setText('');
						openSearch('');
					} else {
						input.current?.blur();
					}
				}} />
			{(text || view.value.search) && <IconButton icon="close" label={t('search.clear')} onClick={() => {
				setText('');
				openSearch('');
			}} />}
			{open && <div class="search-hints">
				<p class="muted">{t('search.hint.title')}</p>
				<ul>{hints.map(([hint, key]) => <li key={hint}><button type="button" onMouseDown={(event) => event.preventDefault()} onClick={() => add(hint)}><code>{hint}</code><span class="muted">{t(key)}</span></button></li>)}</ul>
			</div>}
		</form>
	);
}

async function leave(): Promise<void> {
	try {
		await signOut();
		storeSettings();
	} catch (error) {
		reportError(error, 'error.signOut');
	}
}

export function TopBar() {
	return (
		<header class="top" aria-label={t('top.label')}>
			{layout.value === 'three' ?
				<span class="brand"><Logo /><span>{t('app.name')}</span></span> :
				<button type="button" class="icon-button" aria-label={t('top.folders')} title={t('top.folders')} aria-expanded={foldersShown.value} aria-controls="folders" onClick={() => {
					foldersShown.value = !foldersShown.value;
				}}><Icon name="menu" /></button>}
			<Search />
			<span class="grow" />
			{layout.value !== 'one' && <IconButton icon="help" label={t('top.help')} keys="?" onClick={() => {
				dialog.value = 'help';
			}} />}
			<MenuButton label={t('top.account', { name: username.value })} class="account-button" items={[
				{ icon: 'settings', label: t('top.settings'), run: () => {
					dialog.value = 'settings';
				} },
				{ icon: 'help', label: t('top.help'), run: () => {
					dialog.value = 'help';
				} },
				null,
				{ icon: 'signOut', label: t('top.signOut'), run: () => void leave() },
			]}><Avatar address={{ name: null, email: username.value }} /></MenuButton>
		</header>
	);
}
