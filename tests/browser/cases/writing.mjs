// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// New messages, drafts and attachments.
import { randomBytes } from 'node:crypto';
import { alice, assert, bob, check, equal, folder, frame, openMessage, row, shoot, unique, until } from '../harness.mjs';
import { address, compose, download, editorOf, send } from '../writing.mjs';

check('a message with an attachment reaches bob, byte for byte', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('The contract');
	const bytes = randomBytes(300_000);
	await compose(page);
	await address(page, `Bob Carter <${bob}>`);
	await page.locator('.chip', { hasText: 'Bob Carter' }).waitFor();
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('Dear Bob,');
	await page.keyboard.press('Enter');
	await page.keyboard.type('here is the contract, ');
	await page.keyboard.press('Control+b');
	await page.keyboard.type('signed');
	await page.keyboard.press('Control+b');
	await page.keyboard.type('.');
	await page.locator('.compose input[type=file]').setInputFiles({ name: '合同 contract.bin', mimeType: 'application/octet-stream', buffer: bytes });
	await page.locator('.compose .file progress').waitFor({ state: 'detached' });
	await shoot(page, 'writing');
	await send(page);
	equal(await page.locator('.compose').count(), 0, 'windows left');

	await row(other, subject).waitFor();
	await openMessage(other, subject);
	await frame(other).locator('b', { hasText: 'signed' }).waitFor();
	const file = await download(other);
	equal(file.name, '合同 contract.bin', 'the name of the file');
	assert(file.bytes.equals(bytes), 'the bytes differ');
	await other.locator('.reader-subject').click();
	await other.keyboard.press('t');
	await frame(other).getByText('here is the contract, signed.').waitFor();

	await folder(page, 'Sent');
	await row(page, subject).waitFor();
	equal(await row(page, subject).locator('.row-draft').count(), 0, 'marks of a draft on what was sent');
	await folder(page, 'Drafts');
	equal(await row(page, subject).count(), 0, 'drafts left');
});

check('Ctrl+Enter sends, and bcc is seen by nobody else', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Quietly');
	await compose(page);
	await address(page, alice);
	await page.locator('.compose').getByRole('button', { name: 'Bcc' }).click();
	await address(page, bob, 'Bcc');
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('For your eyes');
	await page.keyboard.press('Control+Enter');
	await page.getByText('Message sent', { exact: true }).waitFor();
	await row(other, subject).waitFor();
	await openMessage(other, subject);
	await other.locator('.reader-to').click();
	assert(!(await other.locator('.reader-details').textContent()).includes(bob), 'bob reads that he was in bcc');
});

check('sending is taken back, and the message is there to go on with', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	await page.evaluate(() => localStorage.setItem('fourpost.settings', '{"undoSeconds":6}'));
	await page.reload();
	const subject = unique('Too hasty');
	await compose(page);
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('I did not mean it');
	await send(page);
	await page.getByRole('button', { name: 'Undo' }).click();
	await editorOf(page).getByText('I did not mean it').waitFor();
	equal(await page.locator('.compose').getByLabel('Subject').inputValue(), subject, 'the subject');
	await page.waitForTimeout(11_000);
	equal(await row(other, subject).count(), 0, 'messages that arrived');
	await folder(page, 'Sent');
	equal(await row(page, subject).count(), 0, 'messages in Sent');
	await page.evaluate(() => localStorage.setItem('fourpost.settings', '{"undoSeconds":0}'));
	await send(page);
	await row(other, subject).waitFor({ timeout: 30_000 });
});

check('a draft saves itself, survives a reload and is sent later', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Half a thought');
	await compose(page);
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('It begins so');
	await page.locator('.compose input[type=file]').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('some notes') });
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	await editorOf(page).click();
	await page.keyboard.press('Control+End');
	await page.keyboard.type(' and goes on');
	await page.locator('.save-state', { hasText: 'Not saved yet' }).waitFor();
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	await page.reload();
	await folder(page, 'Drafts');
	equal(await row(page, subject).count(), 1, 'drafts of this message');
	await row(page, subject).click();
	await editorOf(page).getByText('It begins so and goes on').waitFor();
	await page.locator('.compose .file-name', { hasText: 'notes.txt' }).waitFor();
	await page.locator('.chip', { hasText: bob }).waitFor();
	await send(page);
	await row(other, subject).waitFor();
	await openMessage(other, subject);
	equal((await download(other)).bytes.toString(), 'some notes', 'the attachment');
	await until(async () => await row(page, subject).count() === 0, 'the draft is gone');
});

check('a draft is discarded after asking', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Never mind');
	await compose(page);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Cancel' }).click();
	equal(await page.locator('.compose').count(), 1, 'windows after cancelling');
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
	await page.locator('.compose').waitFor({ state: 'detached' });
	await folder(page, 'Drafts');
	await until(async () => await row(page, subject).count() === 0, 'the draft is gone');
});

check('what was perhaps forgotten is asked about', async ({ open }) => {
	const page = await open(alice);
	await compose(page);
	await page.locator('.compose .send').click();
	await page.getByRole('alert').getByText('Enter at least one recipient.').waitFor();
	await page.locator('.compose').getByLabel('To', { exact: true }).fill('not an address');
	await page.locator('.compose .send').click();
	await page.getByRole('alert').getByText('“not an address” is not an address.').waitFor();
	await page.locator('.compose').getByLabel('To', { exact: true }).fill('');
	await address(page, bob);
	await editorOf(page).click();
	await page.keyboard.type('The file is attached.');
	await page.locator('.compose .send').click();
	await page.getByRole('heading', { name: 'Send without a subject?' }).waitFor();
	await page.getByRole('button', { name: 'Send anyway' }).click();
	await page.getByRole('heading', { name: 'Did you forget to attach a file?' }).waitFor();
	await page.getByRole('button', { name: 'Cancel' }).click();
	equal(await page.locator('.compose').count(), 1, 'windows');
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
});

check('an upload shows its progress, can be stopped and tried again', async ({ open }) => {
	const page = await open(alice);
	const held = [];
	await page.route('**/jmap/upload/**', (route) => held.push(route));
	await compose(page);
	await page.locator('.compose input[type=file]').setInputFiles({ name: 'slow.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(100_000) });
	await page.locator('.compose .file progress').waitFor();
	await address(page, bob);
	await page.locator('.compose .send').click();
	await page.getByRole('alert').getByText('Files are still being sent to the server.').waitFor();
	await until(() => held.length === 1, 'the upload begins');
	await held[0].abort('connectionreset');
	await page.locator('.compose .file', { hasText: 'The server did not answer.' }).waitFor();
	await shoot(page, 'upload-failed');
	await page.unroute('**/jmap/upload/**');
	await page.getByRole('button', { name: 'Send slow.bin again' }).click();
	await page.locator('.compose .file', { hasText: '100 kB' }).waitFor();
	await page.locator('.compose .file progress').waitFor({ state: 'detached' });
	await page.getByRole('button', { name: 'Remove slow.bin' }).click();
	equal(await page.locator('.compose .file').count(), 0, 'files left');
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
});

check('plain text is written, and stays plain', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Plainly');
	await compose(page);
	await page.getByRole('button', { name: 'Plain text' }).click();
	await page.getByRole('button', { name: 'Go on' }).click();
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await page.locator('textarea.plain-editor').fill('one\n  two <three>\n');
	await send(page);
	await row(other, subject).waitFor();
	await openMessage(other, subject);
	await frame(other).getByText('two <three>').waitFor();
	equal(await other.evaluate(async (id) => (await (await fetch(`/render/${id}/info`)).json()).hasHtml, await row(other, subject).getAttribute('data-id')), false, 'it has HTML');
});

check('recipients are split when pasted, suggested when typed, taken back by a key', async ({ open }) => {
	const page = await open(alice);
	await compose(page);
	const input = page.locator('.compose').getByLabel('To', { exact: true });
	await input.focus();
	await page.evaluate(() => {
		const data = new DataTransfer();
		data.setData('text/plain', 'Ann <ann@example.test>; "Carter, Bob" <bob@example.test>\nwrong');
		document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
	});
	await until(async () => await page.locator('.chip').count() === 2, 'two chips');
	equal(await input.inputValue(), 'wrong', 'what is left to correct');
	await input.fill('');
	await input.press('Backspace');
	equal(await page.locator('.chip').count(), 1, 'chips after Backspace');
	await input.pressSequentially('mari');
	await page.locator('.suggestions li').first().waitFor();
	await input.press('Enter');
	equal(await page.locator('.chip').count(), 2, 'chips after a suggestion');
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
});
