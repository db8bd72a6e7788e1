// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Signing in: the whole page at the start, a dialog over everything when a session has ended.
import { useRef, useState } from 'preact/hooks';
import { language, languages, t } from '../i18n.ts';
import { signIn, username } from '../store/session.ts';
import { chooseLanguage } from '../store/settings.ts';
import { Icon, Logo } from './icons.tsx';
import { Dialog, MenuButton, Spinner } from './parts.tsx';

function message(status: number, retryAfter: number): string {
	if (status === 401) return t('signin.wrong');
	if (status === 429) return t('signin.limited', { seconds: retryAfter || 60 });
	return status === 0 ? t('signin.unreachable') : t('signin.failed', { status: String(status) });
}

function SignInForm({ again }: { again?: boolean }) {
	const [failure, setFailure] = useState<{ status: number; retryAfter: number } | null>(null);
	const [busy, setBusy] = useState(false);
	const [visible, setVisible] = useState(false);
	const user = useRef<HTMLInputElement>(null);
	const password = useRef<HTMLInputElement>(null);
	const submit = async (event: Event): Promise<void> => {
		event.preventDefault();
		if (busy) return;
		setBusy(true);
		setFailure(null);
		const result = await signIn(again ? username.value : user.current!.value.trim(), password.current!.value);
		if (result.ok) return;
		setBusy(false);
		setFailure(result);
		password.current?.select();
		password.current?.focus();
	};
	return (
		<form class="signin-form" onSubmit={(event) => void submit(event)}>
			<label class="field">
				<span>{t('signin.user')}</span>
				<input ref={user} name="username" type="text" inputMode="email" autocomplete="username" autocapitalize="none" spellcheck={false} required
					readOnly={again} value={again ? username.value : undefined} data-focus={again ? undefined : true} />
			</label>
			<label class="field">
				<span>{t('signin.password')}</span>
				<span class="with-button">
					<input ref={password} name="password" type={(visible ? 'text' : 'password') as 'password'} autocomplete="current-password" required data-focus={again} aria-describedby={failure ? 'signin-failure' : undefined} />
					<button type="button" class="icon-button" aria-pressed={visible} aria-label={visible ? t('signin.hide') : t('signin.show')} title={visible ? t('signin.hide') : t('signin.show')} onClick={() => setVisible(!visible)}><Icon name="eye" /></button>
				</span>
			</label>
			<div role="alert" id="signin-failure">{failure && <p class="failure"><Icon name="warning" />{message(failure.status, failure.retryAfter)}</p>}</div>
			<button type="submit" class="button primary" disabled={busy}>{busy && <Spinner />}{busy ? t('signin.busy') : t('signin.submit')}</button>
		</form>
	);
}

export function SignInPage() {
	const own = languages.find(({ code }) => code === language.value)?.name ?? '';
	return (
		<main class="signin">
			<div class="signin-card">
				<Logo />
				<h1>{t('signin.title')}</h1>
				<SignInForm />
			</div>
			<MenuButton label={`${t('language')}: ${own}`} class="button quiet" align="start"
				items={languages.map(({ code, name }) => ({ label: name, checked: code === language.value, run: () => void chooseLanguage(code) }))}>
				<Icon name="globe" /><span lang={language.value}>{own}</span>
			</MenuButton>
		</main>
	);
}

export function SignInAgain() {
	return (
		<Dialog title={t('signin.again.title')} closable={false} onClose={() => undefined} class="narrow">
			<p class="muted">{t('signin.again.text')}</p>
			<SignInForm again />
		</Dialog>
	);
}
