// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The list and the reader.
import { alice, assert, base, check, equal, focused, frame, openMessage, row, shoot, signedIn, unique, until } from '../harness.mjs';
import { deliver, inject, message, png } from '../mail.mjs';

check('a new message appears in the list without a reload', async ({ open }) => {
	const page = await open(alice);
	await page.evaluate(() => {
		window.stillHere = true;
	});
	const unread = async () => Number(await page.locator('.folder', { hasText: 'Inbox' }).locator('.folder-count [aria-hidden]').textContent({ timeout: 100 }).catch(() => '0'));
	const before = await unread();
	const subject = unique('Lunch on Thursday?');
	await deliver({ from: 'Bob Carter <bob@remote.test>', subject, text: 'Hi Alice,\n\nshall we have lunch at the usual place?\n\nBob\n' });
	await row(page, subject).waitFor();
	await until(async () => await unread() === before + 1, 'the unread count rises');
	equal(await row(page, subject).getAttribute('aria-rowindex'), '1', 'its place in the list');
	assert(await row(page, subject).locator('.dot').isVisible(), 'it is not marked as unread');
	await row(page, subject).getByText('Bob Carter').waitFor();
	await row(page, subject).getByText('shall we have lunch at the usual place?').waitFor();
	await until(async () => (await page.locator('body > #app > .unseen').textContent()).includes(subject), 'it is announced');
	assert(await page.evaluate(() => window.stillHere), 'the page was loaded again');
});

check('plain text is read, with links that open elsewhere', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Plain words');
	await deliver({ subject, text: 'First line\n  <b>not bold</b> & done\n\nSee https://example.org/menu?a=1&b=2 for more.\n\n> quoted words\n' });
	await openMessage(page, subject);
	const body = frame(page).locator('body');
	await body.getByText('<b>not bold</b> & done').waitFor();
	const link = frame(page).getByRole('link', { name: 'https://example.org/menu?a=1&b=2' });
	equal(await link.getAttribute('href'), 'https://example.org/menu?a=1&b=2', 'the link');
	equal(await link.getAttribute('target'), '_blank', 'where it opens');
	assert((await link.getAttribute('rel') ?? '').includes('noopener'), 'the link gives its opener away');
	await shoot(page, 'reading-text');
});

check('reading marks as read', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('To be read');
	await deliver({ subject, text: 'x' });
	await row(page, subject).waitFor();
	assert(await row(page, subject).locator('.dot').isVisible(), 'it is not unread at first');
	await openMessage(page, subject);
	await row(page, subject).locator('.dot').waitFor({ state: 'detached' });
	await page.reload();
	await row(page, subject).waitFor();
	equal(await row(page, subject).locator('.dot').count(), 0, 'marks of unread after a reload');
});

check('HTML is shown with its images, and its text alternative by a key', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Quarterly overview');
	await deliver({
		from: 'Marie Dubois <marie@remote.test>', cc: 'Jürgen <j@weiss.test>'.replace('ü', 'u'), subject, text: 'The plain alternative\n',
		html: '<h2>Overview</h2><p>Dear Alice, here are <b>the numbers</b>.</p><table border="1" cellpadding="6"><tr><th>Quarter<th>Orders<tr><td>Q1<td>120<tr><td>Q2<td>148</table><p><img src="cid:logo@x" alt="the logo"></p>',
		files: [{ type: 'image/png', name: 'logo.png', cid: 'logo@x', bytes: png }, { type: 'application/pdf', name: 'Übersicht 概览.pdf', bytes: Buffer.alloc(5000, 'x') }, { type: 'image/png', name: 'chart.png', bytes: png }],
	});
	await openMessage(page, subject);
	await frame(page).getByRole('heading', { name: 'Overview' }).waitFor();
	const image = frame(page).locator('img');
	await until(() => image.evaluate((element) => element.naturalWidth === 10), 'the image of the message is shown');
	await page.locator('.file-name', { hasText: 'Übersicht 概览.pdf' }).waitFor();
	equal(await page.locator('.attachments li').count(), 2, 'files beside the text');
	await shoot(page, 'reading-html');
	await page.locator('.reader-subject').click();
	await page.keyboard.press('t');
	await frame(page).getByText('The plain alternative').waitFor();
	await page.keyboard.press('t');
	await frame(page).getByRole('heading', { name: 'Overview' }).waitFor();
});

check('an attachment is downloaded byte for byte, under its name', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('With a file');
	const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
	await deliver({ subject, text: 'x', files: [{ type: 'application/octet-stream', name: '数据 data.bin', bytes }] });
	await openMessage(page, subject);
	const [download] = await Promise.all([page.waitForEvent('download'), page.locator('a.file').click()]);
	equal(download.suggestedFilename(), '数据 data.bin', 'the name');
	const chunks = [];
	for await (const chunk of await download.createReadStream()) chunks.push(chunk);
	assert(Buffer.concat(chunks).equals(bytes), 'the bytes differ');
});

check('a long list holds few rows, and scrolls to its end', async ({ open }) => {
	const page = await open(alice);
	const mark = unique('Series');
	const count = 120;
	const before = Number(await page.locator('.rows').getAttribute('aria-rowcount'));
	await inject(Array.from({ length: count }, (_, i) => message({ subject: `${mark} no ${i}`, text: `number ${i}` })));
	const length = async () => Number(await page.locator('.rows').getAttribute('aria-rowcount'));
	await until(async () => await length() >= before + count, 'the list knows its length', 60);
	await row(page, mark).first().waitFor();
	assert(await page.locator('.row').count() < 60, 'too many rows exist');
	await page.locator('.rows').evaluate((element) => element.scrollTo(0, element.scrollHeight));
	const total = await page.locator('.rows').getAttribute('aria-rowcount');
	await page.locator(`.row:not(.waiting)[aria-rowindex="${total}"]`).waitFor();
	assert(await page.locator('.row').count() < 60, 'too many rows exist at the end');
});

check('the keyboard reaches the end of a long list, and its beginning again', async ({ open }) => {
	const page = await open(alice);
	await until(async () => Number(await page.locator('.rows').getAttribute('aria-rowcount')) > 100, 'the list is long');
	const total = await page.locator('.rows').getAttribute('aria-rowcount');
	await page.locator('.row:not(.waiting)').first().focus();
	await page.keyboard.press('End');
	await focused(page, total);
	await page.keyboard.press('ArrowUp');
	await focused(page, String(total - 1));
	await page.keyboard.press('Home');
	await focused(page, '1');
	await page.keyboard.press('PageDown');
	await focused(page, '11');
});

check('what is read stays in place when mail comes in above it', async ({ open }) => {
	const page = await open(alice);
	await until(async () => Number(await page.locator('.rows').getAttribute('aria-rowcount')) > 100, 'the list is long');
	await page.locator('.rows').evaluate((element) => element.scrollTo(0, 84 * 70));
	const seen = page.locator('.row:not(.waiting)[aria-rowindex="74"]');
	await seen.waitFor();
	const id = await seen.getAttribute('data-id');
	const place = async () => (await page.locator(`.row[data-id="${id}"]`).boundingBox())?.y;
	const before = await place();
	await deliver({ subject: unique('Comes in above'), text: 'x' });
	await until(async () => await page.locator(`.row[data-id="${id}"]`).getAttribute('aria-rowindex') === '75', 'the row is one further down in the list');
	equal(Math.round(await place()), Math.round(before), 'where the row stands on the screen');
});

check('keys that come while a row is loaded all count', async ({ open }) => {
	const page = await open(alice);
	await until(async () => Number(await page.locator('.rows').getAttribute('aria-rowcount')) > 100, 'the list is long');
	const last = Number(await page.locator('.rows').getAttribute('aria-rowcount'));
	await page.route('**/*', async (route) => {
		if (route.request().method() === 'POST') await new Promise((resolve) => { setTimeout(resolve, 400); });
		await route.continue();
	});
	await page.keyboard.press('j');
	await page.keyboard.press('End');
	await page.keyboard.press('k');
	await page.keyboard.press('k');
	await focused(page, String(last - 2));
	await page.unrouteAll({ behavior: 'wait' });
});

check('nothing is listed before the mailboxes are known', async ({ openSignedOut, open }) => {
	await (await open(alice)).close();
	const page = await openSignedOut({ storageState: signedIn(alice) });
	const asked = [];
	page.on('request', (request) => {
		if (request.method() === 'POST') asked.push(request.postData() ?? '');
	});
	await page.route('**/*', async (route) => {
		// As where the first answer is late.
		if (route.request().postData()?.includes('"Mailbox/get"')) await new Promise((resolve) => { setTimeout(resolve, 500); });
		await route.continue();
	});
	await page.goto(`${base}/`);
	await page.locator('.row:not(.waiting)').first().waitFor();
	const queries = asked.filter((text) => text.includes('"Email/query"'));
	assert(queries.length > 0, 'no list was asked for');
	equal(queries.filter((text) => text.includes('"filter":null')).length, 0, 'queries for the mail of all mailboxes');
	await page.unrouteAll({ behavior: 'wait' });
});

check('the keyboard alone walks, opens and closes', async ({ open }) => {
	const page = await open(alice);
	await until(async () => await page.locator('.row:not(.waiting)').count() > 5, 'there are messages');
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('k');
	await focused(page, '2');
	await page.keyboard.press('Enter');
	await page.locator('.reader-subject').waitFor();
	await page.keyboard.press('ArrowDown');
	await page.locator('.row.open[aria-rowindex="3"]').waitFor();
	await page.keyboard.press('Escape');
	await page.getByText('No message is open').waitFor();
	await focused(page, '3');
	equal(await page.locator('.row[tabindex="0"]').count(), 1, 'rows that Tab reaches');
});
