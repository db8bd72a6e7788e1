// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Folders, moving, deleting, marking.
import { alice, assert, check, equal, folder, openMessage, row, shoot, unique, until } from '../harness.mjs';
import { deliver, inject, message } from '../mail.mjs';

async function createFolder(page, name) {
	await page.getByRole('button', { name: 'New folder' }).click();
	await page.getByLabel('Name of the folder').fill(name);
	await page.getByRole('button', { name: 'Create' }).click();
	await page.locator('.folder-name', { hasText: name }).waitFor();
}

async function folderAction(page, name, action) {
	await page.locator('.folder', { hasText: name }).hover();
	await page.getByRole('button', { name: `Actions for ${name}` }).click();
	await page.getByRole('menuitem', { name: action }).click();
}

async function count(page, name) {
	await folder(page, name);
	return Number(await page.locator('.rows').getAttribute('aria-rowcount'));
}

check('a folder is made, renamed and deleted', async ({ open }) => {
	const page = await open(alice);
	const name = unique('Räder 项目');
	await createFolder(page, name);
	await folderAction(page, name, 'Rename');
	await page.getByLabel('Name of the folder').fill(`${name} neu`);
	await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
	await page.locator('.folder-name', { hasText: `${name} neu` }).waitFor();
	await folderAction(page, `${name} neu`, 'New folder inside');
	await page.getByLabel('Name of the folder').fill('Inner');
	await page.getByRole('button', { name: 'Create' }).click();
	await page.locator('.folder.depth-1 .folder-name', { hasText: 'Inner' }).waitFor();
	await page.reload();
	await page.locator('.folder.depth-1 .folder-name', { hasText: 'Inner' }).waitFor();
	await shoot(page, 'folders');
	await folderAction(page, `${name} neu`, 'Delete folder');
	await page.getByRole('dialog').getByRole('button', { name: 'Delete folder' }).click();
	await page.getByText('Delete the folders inside it first.').waitFor();
	await folderAction(page, 'Inner', 'Delete folder');
	await page.getByRole('dialog').getByRole('button', { name: 'Delete folder' }).click();
	await page.locator('.folder-name', { hasText: 'Inner' }).waitFor({ state: 'detached' });
	await folderAction(page, `${name} neu`, 'Delete folder');
	await page.getByRole('dialog').getByRole('button', { name: 'Delete folder' }).click();
	await page.locator('.folder-name', { hasText: name }).waitFor({ state: 'detached' });
});

check('a folder changed elsewhere changes here', async ({ open }) => {
	const page = await open(alice);
	const other = await open(alice);
	const name = unique('Seen twice');
	await createFolder(page, name);
	await other.locator('.folder-name', { hasText: name }).waitFor();
	await folderAction(other, name, 'Delete folder');
	await other.getByRole('dialog').getByRole('button', { name: 'Delete folder' }).click();
	await page.locator('.folder-name', { hasText: name }).waitFor({ state: 'detached' });
});

check('a message is moved, and moved back by Undo', async ({ open }) => {
	const page = await open(alice);
	const name = unique('Projects');
	const subject = unique('To be filed');
	await createFolder(page, name);
	await deliver({ subject, text: 'x' });
	await openMessage(page, subject);
	await page.locator('.reader-subject').click();
	await page.keyboard.press('v');
	await page.getByRole('combobox', { name: 'Find a folder' }).fill(name.slice(0, 6));
	await shoot(page, 'moving');
	await page.getByRole('option', { name }).click();
	await page.getByText(`Moved to ${name}`).first().waitFor();
	equal(await row(page, subject).count(), 0, 'rows left behind');
	await page.getByRole('button', { name: 'Undo' }).click();
	await row(page, subject).waitFor();
	await row(page, subject).dragTo(page.locator('.folder', { hasText: name }));
	await row(page, subject).waitFor({ state: 'detached' });
	await folder(page, name);
	await row(page, subject).waitFor();
	await page.reload();
	await row(page, subject).waitFor();
	await folderAction(page, name, 'Delete folder');
	await page.getByText('It holds 1 message').waitFor();
	await page.getByRole('dialog').getByRole('button', { name: 'Delete folder' }).click();
	await page.locator('.folder-name', { hasText: name }).waitFor({ state: 'detached' });
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
});

check('deleting goes to the trash; from there, after asking, for good', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Unwanted');
	await deliver({ subject, text: 'x' });
	await row(page, subject).click({ position: { x: 200, y: 40 } });
	await page.locator('.reader-subject', { hasText: subject }).waitFor();
	await page.keyboard.press('Delete');
	await row(page, subject).waitFor({ state: 'detached' });
	await folder(page, 'Trash');
	await row(page, subject).waitFor();
	await openMessage(page, subject);
	await page.getByRole('toolbar', { name: 'Message actions' }).getByRole('button', { name: 'Delete for good' }).click();
	await page.getByRole('heading', { name: 'Delete this message for good?' }).waitFor();
	await page.getByRole('button', { name: 'Cancel' }).click();
	equal(await row(page, subject).count(), 1, 'rows after cancelling');
	await page.getByRole('toolbar', { name: 'Message actions' }).getByRole('button', { name: 'Delete for good' }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
	await row(page, subject).waitFor({ state: 'detached' });
	await page.reload();
	await folder(page, 'Trash');
	equal(await row(page, subject).count(), 0, 'rows after a reload');
});

check('archive and junk', async ({ open }) => {
	const page = await open(alice);
	const kept = unique('Keep this');
	const junk = unique('Buy now');
	await inject([message({ subject: kept, text: 'x' }), message({ subject: junk, text: 'x' })]);
	await openMessage(page, kept);
	await page.locator('.reader-subject').click();
	await page.keyboard.press('e');
	await row(page, kept).waitFor({ state: 'detached' });
	await openMessage(page, junk);
	await page.getByRole('button', { name: 'Mark as junk' }).click();
	await row(page, junk).waitFor({ state: 'detached' });
	await folder(page, 'Archive');
	await row(page, kept).waitFor();
	await folder(page, 'Junk');
	await openMessage(page, junk);
	await page.getByRole('button', { name: 'Not junk' }).click();
	await folder(page, 'Inbox');
	await row(page, junk).waitFor();
});

check('marks: unread and flag, by keys and buttons, kept by the server', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Remember');
	await deliver({ subject, text: 'x' });
	await openMessage(page, subject);
	await row(page, subject).locator('.dot').waitFor({ state: 'detached' });
	await page.locator('.reader-subject').click();
	await page.keyboard.press('u');
	await row(page, subject).locator('.dot').waitFor();
	await page.keyboard.press('s');
	await row(page, subject).locator('.row-mark.flagged').waitFor();
	await page.keyboard.press('Escape');
	await page.reload();
	await row(page, subject).locator('.row-mark.flagged').waitFor();
	await row(page, subject).locator('.dot').waitFor();
	await page.getByRole('group', { name: 'Show' }).getByRole('button', { name: 'Flagged' }).click();
	await row(page, subject).waitFor();
	await row(page, subject).hover();
	await row(page, subject).getByRole('button', { name: 'Remove the flag' }).click();
	await row(page, subject).locator('.row-mark.flagged').waitFor({ state: 'detached' });
});

check('a mark set elsewhere is seen here', async ({ open }) => {
	const page = await open(alice);
	const other = await open(alice);
	const subject = unique('Both see it');
	await deliver({ subject, text: 'x' });
	await row(page, subject).waitFor();
	await row(other, subject).waitFor();
	await row(page, subject).hover();
	await row(page, subject).getByRole('button', { name: 'Flag', exact: true }).click();
	await row(other, subject).locator('.row-mark.flagged').waitFor();
});

check('several are selected and handled together', async ({ open }) => {
	const page = await open(alice);
	const mark = unique('Batch');
	await inject(Array.from({ length: 5 }, (_, i) => message({ subject: `${mark} ${i}`, text: 'x' })));
	for (let i = 0; i < 5; i++) await row(page, `${mark} ${i}`).waitFor();
	// Messages of the same second stand in whatever order.
	const order = await row(page, mark).evaluateAll((rows) => rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((one) => one.querySelector('.row-subject').textContent));
	const nth = (i) => row(page, order[i]);
	await nth(0).locator('.row-select').click();
	await nth(3).click({ modifiers: ['Shift'] });
	await page.getByText('4 selected').first().waitFor();
	await nth(2).click({ modifiers: ['Control'] });
	await page.getByText('3 selected').first().waitFor();
	await shoot(page, 'selecting');
	await page.locator('.list-head').getByRole('button', { name: 'Mark as read' }).click();
	await nth(1).locator('.dot').waitFor({ state: 'detached' });
	assert(await nth(2).locator('.dot').isVisible(), 'one that was not selected changed');
	await page.locator('.list-head').getByRole('button', { name: 'Delete' }).click();
	await page.getByText('3 messages moved to Trash').first().waitFor();
	for (const i of [0, 1, 3]) equal(await nth(i).count(), 0, `rows of number ${i}`);
	for (const i of [2, 4]) equal(await nth(i).count(), 1, `rows of number ${i}`);
});

check('all of a folder is selected, also what was never loaded; the trash is emptied', async ({ open }) => {
	const page = await open(alice);
	await until(async () => Number(await page.locator('.rows').getAttribute('aria-rowcount')) > 100, 'the list is long');
	const before = Number(await page.locator('.rows').getAttribute('aria-rowcount'));
	await page.locator('.row').first().focus();
	await page.keyboard.press('Control+a');
	await page.getByText(`${before} selected`).first().waitFor();
	await page.keyboard.press('Escape');
	assert(await count(page, 'Trash') > 0, 'the trash is empty at first');
	await page.getByRole('button', { name: 'Empty this folder' }).click();
	await page.getByRole('button', { name: 'Delete all' }).click();
	await page.getByText('There are no messages here.').waitFor();
	await page.reload();
	equal(await count(page, 'Trash'), 0, 'messages in the trash');
});
