// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What the interface says, in the reader's language; and dates, numbers and plurals as that language writes them.
import { computed, signal } from '@preact/signals';
import en from './i18n/en.json';

type Catalogue = Record<string, string>;
export type Key = keyof typeof en;
/** A key with one text per plural category: "x.one", "x.other". */
export type PluralKey = Key extends infer K ? K extends `${infer P}.other` ? P : never : never;
export type Language = 'en' | 'zh-Hans';

export const languages: { code: Language; name: string }[] = [
	{ code: 'en', name: 'English' },
	{ code: 'zh-Hans', name: '简体中文' },
];

const catalogue = signal<Catalogue>(en);
export const language = signal<Language>('en');

export function preferredLanguage(): Language {
	for (const wanted of navigator.languages) {
		if (/^zh\b/i.test(wanted)) return 'zh-Hans';
		if (/^en\b/i.test(wanted)) return 'en';
	}
	return 'en';
}

export async function setLanguage(code: Language): Promise<void> {
	const loaded: Catalogue = code === 'en' ? en : (await import('./i18n/zh-Hans.json')).default;
	catalogue.value = loaded;
	language.value = code;
	document.documentElement.lang = code;
}

export function has(key: string): boolean {
	return key in catalogue.value;
}

function fill(text: string, values: Record<string, string | number>): string {
	return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
		const value = values[name];
		return value === undefined ? whole : typeof value === 'number' ? formatNumber(value) : value;
	});
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
	return fill(catalogue.value[key] ?? en[key], values);
}

const plurals = computed(() => new Intl.PluralRules(language.value));

/** The text for n things; {n} is the number. */
export function tn(key: PluralKey, n: number, values: Record<string, string | number> = {}): string {
	const form = `${key}.${plurals.value.select(n)}`;
	return fill(catalogue.value[form] ?? catalogue.value[`${key}.other`]!, { n, ...values });
}

/** The reader's own kind of the language, for the order of dates and the clock: en-GB writes otherwise than en-US. */
const locale = computed(() => navigator.languages.find((own) => own === language.value || own.startsWith(`${language.value}-`)) ?? language.value);

const formats = computed(() => {
	const own = locale.value;
	return {
		number: new Intl.NumberFormat(own),
		time: new Intl.DateTimeFormat(own, { hour: 'numeric', minute: '2-digit' }),
		weekday: new Intl.DateTimeFormat(own, { weekday: 'short' }),
		day: new Intl.DateTimeFormat(own, { day: 'numeric', month: 'short' }),
		date: new Intl.DateTimeFormat(own, { day: 'numeric', month: 'short', year: 'numeric' }),
		full: new Intl.DateTimeFormat(own, { dateStyle: 'full', timeStyle: 'short' }),
		medium: new Intl.DateTimeFormat(own, { dateStyle: 'medium', timeStyle: 'short' }),
	};
});

export function formatNumber(value: number): string {
	return formats.value.number.format(value);
}

export function formatTime(date: Date): string {
	return formats.value.time.format(date);
}

/** As short as it stays clear: the time today, the weekday this week, the day this year, else the date. */
export function formatShortDate(text: string, now = new Date()): string {
	const date = new Date(text);
	if (Number.isNaN(date.getTime())) return '';
	const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
	const age = midnight - new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
	const day = 86_400_000;
	if (age <= 0 && age > -day) return formats.value.time.format(date);
	if (age > 0 && age < 6.5 * day) return formats.value.weekday.format(date);
	return date.getFullYear() === now.getFullYear() ? formats.value.day.format(date) : formats.value.date.format(date);
}

export function formatFullDate(text: string): string {
	const date = new Date(text);
	return Number.isNaN(date.getTime()) ? '' : formats.value.full.format(date);
}

export function formatMediumDate(text: string): string {
	const date = new Date(text);
	return Number.isNaN(date.getTime()) ? '' : formats.value.medium.format(date);
}

export function formatSize(bytes: number): string {
	const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
	let value = bytes;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	const digits = unit === 0 || value >= 100 ? 0 : 1;
	return new Intl.NumberFormat(language.value, { style: 'unit', unit: units[unit], unitDisplay: unit === 0 ? 'long' : 'short', maximumFractionDigits: digits }).format(value);
}
