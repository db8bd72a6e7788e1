// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Builds dist/: hashed scripts and style sheet, and the page that names them. The same sources give the same bytes.
import { build } from 'esbuild';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
process.chdir(root);
await rm('dist', { recursive: true, force: true });
await mkdir('dist', { recursive: true });

const result = await build({
	entryPoints: { app: 'src/main.tsx', style: 'src/css/style.css' },
	outdir: 'dist',
	entryNames: '[name]-[hash]',
	chunkNames: '[name]-[hash]',
	bundle: true,
	splitting: true,
	format: 'esm',
	target: ['chrome111', 'firefox115', 'safari16.4'],
	minify: true,
	legalComments: 'none',
	charset: 'utf8',
	metafile: true,
	define: { 'process.env.NODE_ENV': '"production"' },
	logLevel: 'warning',
});

const outputs = Object.entries(result.metafile.outputs);
const fileOf = (entry) => {
	const found = outputs.find(([, output]) => output.entryPoint === entry);
	if (!found) throw new Error(`nothing was built from ${entry}`);
	return basename(found[0]);
};
const script = fileOf('src/main.tsx');
const shared = outputs.find(([path]) => path.endsWith(script))[1].imports
	.filter((i) => i.kind === 'import-statement').map((i) => basename(i.path)).sort();
const page = (await readFile('src/index.html', 'utf8'))
	.replace('%STYLE%', fileOf('src/css/style.css'))
	.replace('%PRELOAD%', shared.map((file) => `<link rel="modulepreload" href="/${file}">\n\t\t`).join(''))
	.replace('%SCRIPT%', script);
await writeFile('dist/index.html', page);
for (const file of ['icon.svg', 'app.webmanifest']) await copyFile(`src/${file}`, `dist/${file}`);
