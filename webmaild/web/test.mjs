// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Bundles src/test/*.test.ts and runs them with node:test.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const out = mkdtempSync(join(tmpdir(), 'fourpost-web-test.'));
try {
	const names = readdirSync('src/test').filter((name) => name.endsWith('.test.ts')).sort();
	await build({
		entryPoints: names.map((name) => `src/test/${name}`),
		outdir: out,
		outExtension: { '.js': '.mjs' },
		bundle: true,
		format: 'esm',
		platform: 'node',
		logLevel: 'warning',
	});
	let status = 0;
	for (const name of names) {
		const file = join(out, name.replace(/ts$/, 'mjs'));
		const run = spawnSync(process.execPath, ['--test-reporter=tap', file], { stdio: 'inherit', env: { ...process.env, TZ: 'UTC' } });
		if (run.status !== 0) status = 1;
	}
	process.exitCode = status;
} finally {
	rmSync(out, { recursive: true });
}
