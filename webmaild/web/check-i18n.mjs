// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Holds the catalogues together: every language has every text with the same {placeholders}, and every text is used.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const faults = [];
const forms = /\.(zero|one|two|few|many|other)$/;

function load(language) {
	const text = readFileSync(`src/i18n/${language}.json`, 'utf8');
	const keys = [...text.matchAll(/^\t"([^"]+)":/gm)].map((match) => match[1]);
	for (const key of keys) if (keys.indexOf(key) !== keys.lastIndexOf(key)) faults.push(`${language}: ${key} stands twice`);
	return JSON.parse(text);
}

/** Plural forms of one text count as one key. A form only counts as one when "other" stands beside it. */
function grouped(catalogue, language) {
	const groups = new Map();
	for (const [key, text] of Object.entries(catalogue)) {
		const stem = key.replace(forms, '');
		const plural = forms.test(key) && `${stem}.other` in catalogue;
		const name = plural ? `${stem}.*` : key;
		groups.set(name, [...groups.get(name) ?? [], text]);
		if (text.trim() === '') faults.push(`${language}: ${key} is empty`);
		if (!plural) continue;
		for (const form of new Intl.PluralRules(language).resolvedOptions().pluralCategories)
			if (!(`${stem}.${form}` in catalogue)) faults.push(`${language}: ${stem}.${form} is missing`);
	}
	return groups;
}

function placeholders(texts) {
	return [...new Set(texts.flatMap((text) => text.match(/\{\w+\}/g) ?? []))].sort().join(' ');
}

const english = load('en');
const keys = grouped(english, 'en');
for (const file of readdirSync('src/i18n').sort()) {
	const language = file.replace(/\.json$/, '');
	const other = grouped(load(language), language);
	for (const [key, texts] of keys) {
		if (!other.has(key)) faults.push(`${language}: ${key} is missing`);
		else if (placeholders(other.get(key)) !== placeholders(texts)) faults.push(`${language}: ${key} has other placeholders than en`);
	}
	for (const key of other.keys()) if (!keys.has(key)) faults.push(`${language}: ${key} is not in en`);
}

function sources(directory) {
	return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
		const path = join(directory, entry.name);
		return entry.isDirectory() ? sources(path) : /\.tsx?$/.test(entry.name) && !path.includes('/test/') ? [readFileSync(path, 'utf8')] : [];
	});
}
const code = sources('src').join('\n');
for (const key of keys.keys()) {
	const stem = key.replace(/\.\*$/, '');
	const prefix = stem.slice(0, stem.lastIndexOf('.') + 1);
	if (!code.includes(`'${stem}'`) && !(prefix && code.includes(`\`${prefix}\${`))) faults.push(`${stem} is used nowhere`);
}

for (const fault of faults) console.log(`    ${fault}`);
console.log(`${faults.length ? 'not ok' : 'ok'} - ${keys.size} texts in ${readdirSync('src/i18n').length} languages`);
process.exitCode = faults.length ? 1 : 0;
