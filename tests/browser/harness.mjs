// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Cases, browsers and accounts for the browser tests.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const base = (process.env.FOURPOST_WEB ?? '').replace(/\/$/, '');
export const alice = 'alice@example.test';
export const bob = 'bob@example.test';
export const password = 'demo';
const shots = process.env.SHOTS;

const cases = [];
let browser;
const states = new Map();

/** Registers a case. run gets {open}; every page that open makes is closed after it, and must not have logged an error. */
export function check(name, run) {
	cases.push({ name, run });
}

let serial = 0;
/** A subject that no other message has. */
export function unique(text) {
	return `${text} ${process.pid}-${++serial}`;
}

/** What the console of a page may say without being at fault: answers that are no 200, lost connections. A policy at work is a fault: nothing
 * may get so far as to be stopped by one. */
const harmless = [/Failed to load resource/, /net::ERR_/, /was preloaded using link preload but not used/];

async function newPage(context, faults) {
	const page = await context.newPage();
	page.setDefaultTimeout(15_000);
	page.on('pageerror', (error) => faults.push(`page error: ${error.stack ?? error}`));
	page.on('console', (message) => {
		if (message.type() === 'error' && !harmless.some((pattern) => pattern.test(message.text()))) faults.push(`console: ${message.text()}`);
	});
	return page;
}

/** A page at the sign-in form, of a browser of its own. */
async function openSignedOut(opened, options) {
	const context = await browser.newContext({ viewport: { width: 1360, height: 840 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', ignoreHTTPSErrors: true, ...options });
	const faults = [];
	opened.push({ context, faults });
	const page = await newPage(context, faults);
	// Most cases wait for what they send: it leaves at once. A case of its own tries taking it back.
	await page.addInitScript(() => {
		if (window === window.top && location.protocol === 'https:') localStorage.getItem('fourpost.settings') ?? localStorage.setItem('fourpost.settings', '{"undoSeconds":0}');
	});
	return page;
}

export async function signIn(page, account) {
	await page.locator('input[name=username]').fill(account);
	await page.locator('input[name=password]').fill(password);
	await page.locator('button[type=submit]').click();
	await page.locator('.app').waitFor();
}

/** A page that is signed in and has its inbox open. Each account signs in once for all cases. */
async function openAs(opened, account, options = {}) {
	if (!states.has(account)) {
		const first = await openSignedOut([], {});
		await first.goto(base);
		await signIn(first, account);
		states.set(account, await first.context().storageState());
		await first.context().close();
	}
	const page = await openSignedOut(opened, { storageState: states.get(account), ...options });
	await page.goto(`${base}/`);
	await page.locator('.list-title .muted:not(:has(.spinner))').waitFor();
	return page;
}

/** What the browser keeps of an account that open() signed in. */
export function signedIn(account) {
	return states.get(account);
}

export function forget(account) {
	states.delete(account);
}

export async function shoot(page, name) {
	if (!shots) return;
	mkdirSync(shots, { recursive: true });
	await page.screenshot({ path: join(shots, `${name}.png`) });
}

export function row(page, text) {
	return page.locator('.row', { hasText: text });
}

export function frame(page) {
	return page.frameLocator('iframe.reader-frame');
}

/** Opens the message of this subject once it is there. */
export async function openMessage(page, subject) {
	await row(page, subject).first().click();
	await page.locator('.reader-subject', { hasText: subject }).waitFor();
	await frame(page).locator('body').waitFor();
}

export async function folder(page, name) {
	await page.locator('.folder-button', { has: page.getByText(name, { exact: true }) }).click();
	await page.locator('.list-title h1', { hasText: name }).waitFor();
	await page.locator('.list-title .muted:not(:has(.spinner))').waitFor();
}

export function assert(condition, text) {
	if (!condition) throw new Error(text);
}

export function equal(actual, expected, text) {
	if (actual !== expected) throw new Error(`${text}: got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}

/** Until probe gives something true. */
export async function until(probe, text, seconds = 15) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const value = await probe();
		if (value) return value;
		if (Date.now() > end) throw new Error(`${text}: not within ${seconds} s`);
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

/** Every request of a page that goes to another place than the server of the tests. */
export function watch(page) {
	const foreign = [];
	page.context().on('request', (request) => {
		if (!request.url().startsWith(base) && !/^(?:data|blob|about):/.test(request.url())) foreign.push(request.url());
	});
	page.on('dialog', (dialog) => {
		foreign.push(`dialog: ${dialog.message()}`);
		void dialog.dismiss();
	});
	return foreign;
}

/** Until the row of this number in the list has the keyboard's focus. */
export async function focused(page, number) {
	let at;
	await until(async () => (at = await page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex') ?? document.activeElement?.outerHTML.slice(0, 80))) === number,
		`row ${number} has the focus`).catch((error) => {
		throw new Error(`${error.message}; it is at ${at}`);
	});
}

async function runOne({ name, run }, number) {
	const opened = [];
	const tools = {
		open: (account, options) => openAs(opened, account, options),
		openSignedOut: (options) => openSignedOut(opened, options),
	};
	const started = Date.now();
	let fault = null;
	let timer;
	try {
		await Promise.race([run(tools), new Promise((_, reject) => {
			timer = setTimeout(() => reject(new Error('not done within 120 s')), 120_000);
		})]);
		const faults = opened.flatMap((one) => one.faults);
		if (faults.length > 0) throw new Error(faults.join('\n'));
	} catch (error) {
		fault = error;
		for (const [i, { context, faults }] of opened.entries()) {
			for (const [j, page] of context.pages().entries()) await shoot(page, `failed-${number}-${i}-${j}`).catch(() => undefined);
			if (faults.length > 0) fault.stack += `\n${faults.join('\n')}`;
		}
	}
	clearTimeout(timer);
	for (const { context } of opened) await context.close().catch(() => undefined);
	console.log(`${fault ? 'not ok' : 'ok'} ${number} - browser: ${name} # ${((Date.now() - started) / 1000).toFixed(1)} s`);
	if (fault) console.log(String(fault.stack ?? fault).replace(/\u001b\[\d+m/g, '').replace(/^/gm, '    '));
	return !fault;
}

export async function runAll(wanted) {
	if (!base || !process.env.FOURPOST_SMTP) {
		console.error('FOURPOST_WEB (a URL) and FOURPOST_SMTP (host:port) must be set.');
		process.exit(64);
	}
	browser = await chromium.launch({
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});
	const chosen = cases.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
	let failed = chosen.length === 0 ? 1 : 0;
	for (const [i, one] of chosen.entries()) if (!await runOne(one, i + 1)) failed++;
	await browser.close();
	console.log(`1..${chosen.length}`);
	process.exit(failed > 0 ? 1 : 0);
}
