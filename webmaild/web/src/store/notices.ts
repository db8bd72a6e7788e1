// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What the user is told: toasts, questions, and announcements for screen readers.
import { signal } from '@preact/signals';
import { t, type Key } from '../i18n.ts';
import { MethodError } from '../jmap/batch.ts';
import { RefusedError } from './jmap.ts';
import { ConnectionError, HttpError } from './session.ts';

export interface ToastAction {
	label: string;
	run(): void;
}

export interface Toast {
	id: number;
	text: string;
	kind: 'info' | 'error';
	actions: ToastAction[];
}

export const toasts = signal<Toast[]>([]);
export const announcement = signal('');
let nextId = 1;

export function dismissToast(id: number): void {
	toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function showToast(text: string, options: { kind?: Toast['kind']; actions?: ToastAction[]; seconds?: number } = {}): number {
	const id = nextId++;
	toasts.value = [...toasts.value.slice(-2), { id, text, kind: options.kind ?? 'info', actions: options.actions ?? [] }];
	setTimeout(() => dismissToast(id), (options.seconds ?? (options.kind === 'error' ? 12 : 6)) * 1000);
	return id;
}

/** Read aloud, not shown. The same text twice in a row is read twice. */
export function announce(text: string): void {
	announcement.value = text === announcement.value ? `${text}\u00a0` : text;
}

/** What went wrong, in words that help. */
export function explain(error: unknown): string {
	if (error instanceof ConnectionError) return t('error.connection');
	if (error instanceof HttpError) return error.detail || t('error.http', { status: String(error.status) });
	const type = error instanceof RefusedError ? error.error.type : error instanceof MethodError ? error.type : '';
	const known: Record<string, Key> = {
		overQuota: 'error.overQuota',
		tooLarge: 'error.tooLarge',
		notFound: 'error.notFound',
		mailboxHasChild: 'error.mailboxHasChild',
		noRecipients: 'error.noRecipients',
		tooManyRecipients: 'error.tooManyRecipients',
		forbiddenFrom: 'error.forbiddenFrom',
		forbiddenMailFrom: 'error.forbiddenFrom',
	};
	if (error instanceof RefusedError && type === 'invalidRecipients')
		return t('error.invalidRecipients', { list: (error.error.invalidRecipients ?? []).join(', ') });
	const key = known[type];
	return key ? t(key) : error instanceof Error ? error.message : String(error);
}

export function reportError(error: unknown, key: Key): void {
	showToast(t(key, { reason: explain(error) }), { kind: 'error' });
}

export interface Question {
	title: string;
	text?: string;
	/** A text to be entered; the answer is then that text. */
	input?: { label: string; value: string };
	confirm: string;
	danger?: boolean;
	answer(value: string | null): void;
}

export const question = signal<Question | null>(null);

function ask(options: Omit<Question, 'answer'>): Promise<string | null> {
	question.value?.answer(null);
	return new Promise((resolve) => {
		question.value = {
			...options,
			answer(value) {
				question.value = null;
				resolve(value);
			},
		};
	});
}

export async function confirmed(options: Omit<Question, 'answer' | 'input'>): Promise<boolean> {
	return await ask(options) !== null;
}

/** The text entered, trimmed; null when there is none. */
export async function askText(options: Omit<Question, 'answer'>): Promise<string | null> {
	return (await ask(options))?.trim() || null;
}
