// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Weighs dist/ as a browser receives it (gzip) and fails when a part is heavier than allowed.
import { readFile, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const limits = { shell: 60_000, style: 12_000, editor: 35_000 };
const page = await readFile('dist/index.html', 'utf8');
const named = (pattern) => [...page.matchAll(pattern)].map((match) => match[1]);
const parts = {
	shell: named(/(?:src|href)="\/([^"]+\.js)"/g),
	style: named(/href="\/([^"]+\.css)"/g),
	editor: (await readdir('dist')).filter((name) => /^editor-.*\.js$/.test(name)),
};
let failed = false;
for (const [part, limit] of Object.entries(limits)) {
	if (parts[part].length === 0) throw new Error(`${part}: no file was built`);
	let bytes = 0;
	for (const file of parts[part]) bytes += gzipSync(await readFile(`dist/${file}`), { level: 9 }).length;
	const good = bytes <= limit;
	if (!good) failed = true;
	console.log(`${good ? 'ok' : 'not ok'} - ${part} weighs ${bytes} bytes with gzip, at most ${limit}`);
}
process.exitCode = failed ? 1 : 0;
