// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Reply, reply to all, forward.
import { randomBytes } from 'node:crypto';
import { alice, assert, bob, check, equal, folder, frame, openMessage, row, shoot, unique } from '../harness.mjs';
import { deliver, png } from '../mail.mjs';
import { address, download, editorOf, send } from '../writing.mjs';

check('a reply quotes, goes to its sender and joins the thread', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('A question');
	await deliver({ from: `Bob Carter <${bob}>`, subject, text: 'plain question', html: '<p>What is <b>the answer</b>?</p>', headers: { 'Message-ID': `<${subject.replace(/\W/g, '')}@remote.test>` } });
	await openMessage(page, subject);
	await page.locator('.reader-subject').click();
	await page.keyboard.press('r');
	await editorOf(page).locator('blockquote b', { hasText: 'the answer' }).waitFor();
	await page.locator('.chip', { hasText: 'Bob Carter' }).waitFor();
	equal(await page.locator('.compose').getByLabel('Subject').inputValue(), `Re: ${subject}`, 'the subject');
	await page.keyboard.type('It is 42.');
	await shoot(page, 'replying');
	await send(page);
	await row(page, subject).locator('.row-mark[title="Answered"]').waitFor();
	await row(other, `Re: ${subject}`).waitFor();
	await openMessage(other, `Re: ${subject}`);
	await frame(other).getByText('It is 42.').waitFor();
	await frame(other).locator('blockquote b', { hasText: 'the answer' }).waitFor();
	const id = await row(other, `Re: ${subject}`).getAttribute('data-id');
	const headers = await other.evaluate(async (email) => {
		const { csrf } = await (await fetch('/auth/session')).json();
		const session = await (await fetch('/jmap/session')).json();
		const accountId = session.primaryAccounts['urn:ietf:params:jmap:mail'];
		const response = await fetch(session.apiUrl, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', 'X-CSRF': csrf },
			body: JSON.stringify({ using: ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'], methodCalls: [['Email/get', { accountId, ids: [email], properties: ['inReplyTo', 'references'] }, 'a']] }),
		});
		return (await response.json()).methodResponses[0][1].list[0];
	}, id);
	equal(headers.inReplyTo?.join(), `${subject.replace(/\W/g, '')}@remote.test`, 'In-Reply-To');
	equal(headers.references?.join(), `${subject.replace(/\W/g, '')}@remote.test`, 'References');
});

check('reply to all reaches all but oneself', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('For all of you');
	await deliver({ from: 'Marie <marie@remote.test>', to: `${alice}, Bob <${bob}>`, cc: 'Carol <carol@remote.test>', subject, text: 'hello' });
	await openMessage(page, subject);
	await page.getByRole('button', { name: 'Reply to all' }).click();
	await editorOf(page).waitFor();
	const chips = await page.locator('.compose-field').evaluateAll((fields) => fields.map((field) => `${field.querySelector('label').textContent}:${[...field.querySelectorAll('.chip')].map((chip) => chip.title).join(',')}`));
	equal(chips.slice(0, 2).join(' '), `To:Marie <marie@remote.test>,Bob <${bob}> Cc:Carol <carol@remote.test>`, 'recipients');
	await page.getByRole('button', { name: 'Keep as a draft and close' }).click();
	await page.locator('.compose').waitFor({ state: 'detached' });
});

check('a forwarded message takes its files and images along', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Have a look');
	const bytes = randomBytes(40_000);
	await deliver({
		subject, text: 'plain', html: '<p>The picture: <img src="cid:pic@x"></p>',
		files: [{ type: 'image/png', name: 'pic.png', cid: 'pic@x', bytes: png }, { type: 'application/zip', name: 'data.zip', bytes }],
	});
	await openMessage(page, subject);
	await page.getByRole('button', { name: 'Forward' }).click();
	await editorOf(page).getByText('Forwarded message').waitFor();
	equal(await page.locator('.compose').getByLabel('Subject').inputValue(), `Fwd: ${subject}`, 'the subject');
	await page.locator('.compose .file-name', { hasText: 'data.zip' }).waitFor();
	await editorOf(page).locator('img[src^="blob:"]').waitFor();
	await address(page, bob);
	await shoot(page, 'forwarding');
	await send(page);
	await row(page, subject).locator('.row-mark[title="Forwarded"]').waitFor();
	await openMessage(other, `Fwd: ${subject}`);
	const file = await download(other, other.locator('a.file', { hasText: 'data.zip' }));
	assert(file.bytes.equals(bytes), 'the bytes differ');
	assert(await frame(other).locator('img').evaluate((image) => image.decode().then(() => image.naturalWidth === 10)), 'the image is not shown');
});

check('a conversation shows its messages, also those of other folders', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Back and forth');
	const id = `${subject.replace(/\W/g, '')}@remote.test`;
	await deliver({ from: `Bob Carter <${bob}>`, subject, text: 'the first word', headers: { 'Message-ID': `<${id}>` } });
	await openMessage(page, subject);
	await page.getByRole('toolbar', { name: 'Message actions' }).getByRole('button', { name: 'Archive' }).click();
	await deliver({ from: 'Marie <marie@remote.test>', subject: `Re: ${subject}`, text: 'the second word', headers: { 'In-Reply-To': `<${id}>`, References: `<${id}>` } });
	await openMessage(page, `Re: ${subject}`);
	await page.getByText('2 messages in this conversation').click();
	await shoot(page, 'conversation');
	await page.locator('.thread-row', { hasText: 'the first word' }).click();
	await frame(page).getByText('the first word').waitFor();
	await page.locator('.thread-row.current', { hasText: 'Bob Carter' }).waitFor();
});

check('an answer to what one sent goes to those it was sent to', async ({ open }) => {
	const page = await open(alice);
	await folder(page, 'Sent');
	await page.locator('.row').first().click();
	await page.locator('.reader-subject').waitFor();
	await page.getByRole('button', { name: 'Reply', exact: true }).click();
	await editorOf(page).waitFor();
	equal(await page.locator('.chip', { hasText: alice }).count(), 0, 'chips of oneself');
	assert(await page.locator('.chip').count() > 0, 'nobody is addressed');
	await page.keyboard.press('Escape');
	await page.locator('.compose').waitFor({ state: 'detached' });
});
