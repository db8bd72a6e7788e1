// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The page as a whole.
import { useEffect } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { t } from '../i18n.ts';
import { currentMailbox, foldersShown, layout, openId } from '../store/view.ts';
import { view } from '../store/list.ts';
import { byRole, mailboxName } from '../store/mailboxes.ts';
import { reportError } from '../store/notices.ts';
import { expired, phase, start } from '../store/session.ts';
import { load } from '../store/sync.ts';
import { Composers } from './compose.tsx';
import { Folders } from './folders.tsx';
import { List } from './list.tsx';
import { Announcer, OfflineBar, QuestionDialog, Toasts } from './notices.tsx';
import { Spinner } from './parts.tsx';
import { Reader } from './reader.tsx';
import { HelpDialog, SettingsDialog } from './settings.tsx';
import { SignInAgain, SignInPage } from './signin.tsx';
import { Splitter } from './splitter.tsx';
import { MoveDialog } from './toolbar.tsx';
import { dialog, TopBar } from './topbar.tsx';

function pageTitle(): string {
	const unread = byRole.value.get('inbox')?.unreadEmails ?? 0;
	const place = view.value.search ? t('search.results') : currentMailbox.value ? mailboxName(currentMailbox.value) : '';
	const name = place ? `${place} – ${t('app.name')}` : t('app.name');
	return unread > 0 ? `(${unread}) ${name}` : name;
}

function Mail() {
	useEffect(() => {
		load().catch((error: unknown) => reportError(error, 'error.list'));
	}, []);
	useSignalEffect(() => {
		document.title = pageTitle();
	});
	const size = layout.value;
	const drawer = size !== 'three';
	return (
		<div class={`app ${size} ${openId.value ? 'reading' : ''}`}>
			<a class="skip" href="#messages" onClick={(event) => {
				event.preventDefault();
				document.getElementById('messages')?.focus();
			}}>{t('skip.list')}</a>
			{openId.value && <a class="skip" href="#reader" onClick={(event) => {
				event.preventDefault();
				document.getElementById('reader')?.focus();
			}}>{t('skip.reader')}</a>}
			<TopBar />
			<OfflineBar />
			<div class="panes">
				{drawer && foldersShown.value && <div class="drawer-ground" onClick={() => {
					foldersShown.value = false;
				}} />}
				{(!drawer || foldersShown.value) && <Folders />}
				<main class="main">
					<List />
					{size !== 'one' && <Splitter />}
					{(size !== 'one' || openId.value) && <Reader />}
				</main>
			</div>
			<Composers />
			<MoveDialog />
			{dialog.value === 'settings' && <SettingsDialog />}
			{dialog.value === 'help' && <HelpDialog />}
			{expired.value && <SignInAgain />}
		</div>
	);
}

function Screen() {
	switch (phase.value) {
	case 'ready':
		return <Mail />;
	case 'signedOut':
		return <SignInPage />;
	case 'failed':
		return <main class="signin"><p>{t('start.failed')}</p><button type="button" class="button primary" onClick={() => void start()}>{t('retry')}</button></main>;
	default:
		return <main class="signin late"><Spinner /></main>;
	}
}

export function App() {
	return (
		<>
			<Screen />
			<QuestionDialog />
			<Toasts />
			<Announcer />
		</>
	);
}
