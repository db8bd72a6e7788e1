// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What this browser remembers: language, colours, sizes, habits.
import { computed, effect, signal } from '@preact/signals';
import { language, languages, preferredLanguage, setLanguage, type Language } from '../i18n.ts';

export type Theme = 'system' | 'light' | 'dark';

export interface Settings {
	language: Language | null;
	theme: Theme;
	/** Pixels. */
	listWidth: number;
	plainText: boolean;
	shortcuts: boolean;
	showImages: boolean;
	/** How long sending can be taken back. */
	undoSeconds: number;
}

const preset: Settings = { language: null, theme: 'system', listWidth: 400, plainText: false, shortcuts: true, showImages: false, undoSeconds: 10 };
const place = 'fourpost.settings';

function load(): Settings {
	try {
		const stored: unknown = JSON.parse(localStorage.getItem(place) ?? '{}');
		const settings = { ...preset };
		for (const [key, value] of Object.entries(stored ?? {}))
			if (key in preset && (typeof value === typeof preset[key as keyof Settings] || key === 'language')) Object.assign(settings, { [key]: value });
		if (!languages.some(({ code }) => code === settings.language)) settings.language = null;
		return settings;
	} catch {
		return { ...preset };
	}
}

export const settings = signal<Settings>(load());

const system = window.matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
system.addEventListener('change', () => {
	systemDark.value = system.matches;
});
export const isDark = computed(() => (settings.value.theme === 'system' ? systemDark.value : settings.value.theme === 'dark'));

export function setting(change: Partial<Settings>): void {
	settings.value = { ...settings.value, ...change };
	storeSettings();
}

/** Signing out clears this site's storage; what is no secret is written again. */
export function storeSettings(): void {
	try {
		localStorage.setItem(place, JSON.stringify(settings.value));
	} catch {
		// A browser without storage starts with the presets each time.
	}
}

export async function chooseLanguage(code: Language): Promise<void> {
	await setLanguage(code);
	setting({ language: code });
}

/** Before the first drawing. */
export async function applySettings(): Promise<void> {
	effect(() => {
		const { theme, listWidth } = settings.value;
		const root = document.documentElement;
		if (theme === 'system') root.removeAttribute('data-theme');
		else root.setAttribute('data-theme', theme);
		root.style.setProperty('--list-width', `${Math.min(Math.max(300, listWidth), 640)}px`);
	});
	try {
		await setLanguage(settings.value.language ?? preferredLanguage());
	} catch {
		await setLanguage(language.value);
	}
}
