// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Toasts, questions, the bar of a lost connection, and the region that screen readers speak.
import { useRef } from 'preact/hooks';
import { t } from '../i18n.ts';
import { announcement, dismissToast, question, toasts } from '../store/notices.ts';
import { offline } from '../store/session.ts';
import { Icon } from './icons.tsx';
import { Dialog, IconButton } from './parts.tsx';

export function Toasts() {
	return (
		<div class="toasts" role="status" aria-live="polite">
			{toasts.value.map((toast) => (
				<div key={toast.id} class={`toast ${toast.kind}`}>
					{toast.kind === 'error' && <Icon name="warning" />}
					<span class="toast-text">{toast.text}</span>
					{toast.actions.map(({ label, run }) => <button key={label} type="button" class="toast-action" onClick={() => {
						dismissToast(toast.id);
						run();
					}}>{label}</button>)}
					<IconButton icon="close" label={t('close')} onClick={() => dismissToast(toast.id)} />
				</div>
			))}
		</div>
	);
}

export function Announcer() {
	return <div class="unseen" role="status" aria-live="polite">{announcement.value}</div>;
}

export function OfflineBar() {
	return <div role="status">{offline.value && <p class="offline-bar"><Icon name="warning" />{t('offline')}</p>}</div>;
}

export function QuestionDialog() {
	const asked = question.value;
	const input = useRef<HTMLInputElement>(null);
	if (!asked) return null;
	return (
		<Dialog key={asked.title} title={asked.title} onClose={() => asked.answer(null)} class="narrow">
			<form onSubmit={(event) => {
				event.preventDefault();
				asked.answer(input.current?.value ?? '');
			}}>
				{asked.text && <p class="muted">{asked.text}</p>}
				{asked.input && <label class="field"><span>{asked.input.label}</span><input ref={input} data-focus required maxLength={200} defaultValue={asked.input.value} /></label>}
				<div class="dialog-buttons">
					<button type="button" class="button" onClick={() => asked.answer(null)}>{t('cancel')}</button>
					<button type="submit" class={`button ${asked.danger ? 'danger' : 'primary'}`} data-focus={asked.input ? undefined : true}>{asked.confirm}</button>
				</div>
			</form>
		</Dialog>
	);
}
