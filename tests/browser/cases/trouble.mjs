// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Lost connections, ended sessions, refusals: nothing the user did may be lost.
import { alice, assert, base, bob, check, equal, folder, frame, openMessage, password, row, shoot, unique } from '../harness.mjs';
import { deliver } from '../mail.mjs';
import { address, compose, editorOf, send } from '../writing.mjs';

check('an ended session asks for the password and loses nothing', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Interrupted');
	await compose(page);
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('Long thoughts');
	await page.context().clearCookies();
	await page.getByRole('heading', { name: 'Please sign in again' }).waitFor();
	await shoot(page, 'session-ended');
	await page.locator('dialog input[name=password]').fill('wrong');
	await page.locator('dialog button[type=submit]').click();
	await page.getByText('The address or the password is wrong.').waitFor();
	await page.locator('dialog input[name=password]').fill(password);
	await page.locator('dialog button[type=submit]').click();
	await page.getByRole('heading', { name: 'Please sign in again' }).waitFor({ state: 'detached' });
	equal(await page.locator('.compose').getByLabel('Subject').inputValue(), subject, 'the subject');
	await editorOf(page).getByText('Long thoughts').waitFor();
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	await send(page);
	await row(other, subject).waitFor();
});

check('a lost connection shows a bar; what was done is sent when it is back', async ({ open }) => {
	const page = await open(alice);
	const other = await open(alice);
	const subject = unique('In the tunnel');
	await deliver({ subject, text: 'x' });
	await row(page, subject).waitFor();
	await page.context().setOffline(true);
	await row(page, subject).hover();
	await row(page, subject).getByRole('button', { name: 'Flag', exact: true }).click();
	await row(page, subject).locator('.row-mark.flagged').waitFor();
	await page.getByText('No connection to the server.').waitFor();
	await shoot(page, 'offline');
	await page.context().setOffline(false);
	await page.getByText('No connection to the server.').waitFor({ state: 'detached', timeout: 40_000 });
	await row(other, subject).locator('.row-mark.flagged').waitFor();
	await page.reload();
	await row(page, subject).locator('.row-mark.flagged').waitFor();
	const later = unique('After the tunnel');
	await deliver({ subject: later, text: 'x' });
	await row(page, later).waitFor();
});

check('a change that the server refuses is taken back, and said so', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Not to be flagged');
	await deliver({ subject, text: 'x' });
	await row(page, subject).waitFor();
	await page.route(`${base}/jmap/api`, async (route) => {
		if (!route.request().postData()?.includes('keywords/$flagged')) return route.continue();
		const { methodCalls } = route.request().postDataJSON();
		return route.fulfill({ json: { methodResponses: methodCalls.map(([, , id]) => ['error', { type: 'accountReadOnly', description: 'The account is read-only.' }, id]), sessionState: 'x' } });
	});
	await row(page, subject).hover();
	await row(page, subject).getByRole('button', { name: 'Flag', exact: true }).click();
	await page.getByText('The change was not saved and has been taken back. The account is read-only.').waitFor();
	equal(await row(page, subject).locator('.row-mark.flagged').count(), 0, 'flags left');
});

check('a message that cannot be sent stays, with the reason', async ({ open }) => {
	const page = await open(alice);
	await compose(page);
	await address(page, 'nobody-of-this-name@example.test');
	await page.locator('.compose').getByLabel('Subject').fill(unique('To nobody'));
	await page.route(`${base}/jmap/api`, async (route) => {
		if (!route.request().postData()?.includes('EmailSubmission/set')) return route.continue();
		const { methodCalls } = route.request().postDataJSON();
		return route.fulfill({ json: { methodResponses: methodCalls.map(([name, , id]) => [name, { newState: 'x', notCreated: { send: { type: 'invalidRecipients', invalidRecipients: ['nobody-of-this-name@example.test'] } } }, id]), sessionState: 'x' } });
	});
	await page.locator('.compose .send').click();
	await page.getByRole('alert').getByText('Not sent. These addresses cannot receive mail: nobody-of-this-name@example.test').waitFor();
	await page.unroute(`${base}/jmap/api`);
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
});

/** Has what is done with the API's requests that have this word; tells when the first has come. */
function intercept(page, word, handle) {
	return new Promise((resolve) => {
		void page.route(`${base}/jmap/api`, async (route) => {
			if (!route.request().postData()?.includes(word)) return route.continue();
			resolve();
			return handle(route);
		});
	});
}

check('a draft whose newer state is refused stays as it was', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Kept');
	await compose(page);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await editorOf(page).click();
	await page.keyboard.type('First thoughts');
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	void intercept(page, '"create":{"draft"', (route) => route.continue({ postData: route.request().postData().replace('"subject":', '"header:Subject:asNothing":') }));
	await page.keyboard.type(', and others');
	await page.locator('.save-state', { hasText: 'will try again' }).waitFor();
	page.on('dialog', (dialog) => void dialog.accept());
	await page.unroute(`${base}/jmap/api`);
	await page.goto('about:blank');
	await page.goto(`${base}/`);
	await folder(page, 'Drafts');
	await row(page, subject).click();
	await editorOf(page).getByText('First thoughts').waitFor();
});

check('a message whose sending was not answered is not sent again', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Once');
	await compose(page);
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	void intercept(page, 'EmailSubmission/set', async (route) => {
		await route.fetch();
		await route.abort('connectionreset');
	});
	await send(page);
	await row(other, subject).waitFor();
	await folder(page, 'Sent');
	equal(await row(page, subject).count(), 1, 'messages in Sent');
});

check('a message is sent as it was when Send was pressed, though its window is closed', async ({ open }) => {
	const page = await open(alice);
	const other = await open(bob);
	const subject = unique('Whole');
	let release;
	const released = new Promise((resolve) => {
		release = resolve;
	});
	await compose(page);
	await address(page, bob);
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	const saving = intercept(page, '"create":{"draft"', async (route) => {
		await released;
		return route.continue();
	});
	await editorOf(page).click();
	await page.keyboard.type('The beginning');
	await saving;
	await page.keyboard.type(' and the end');
	await page.locator('.compose .send').click();
	await page.locator('.compose .send', { hasText: 'Sending' }).waitFor();
	await page.locator('.compose').getByRole('button', { name: 'Keep as a draft and close' }).click();
	release();
	await page.getByText('Message sent', { exact: true }).waitFor();
	await openMessage(other, subject);
	await frame(other).getByText('The beginning and the end').waitFor();
});

check('what was written is saved while the editor is still to come', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Formatted soon');
	await page.evaluate(() => localStorage.setItem('fourpost.settings', '{"undoSeconds":0,"plainText":true}'));
	await page.reload();
	await page.route(/\/editor-[^/]*\.js$/, () => undefined);
	await page.locator('.compose-button').click();
	await page.locator('.compose').getByLabel('Subject').fill(subject);
	await page.locator('.plain-editor').fill('Plain thoughts');
	await page.locator('.compose').getByRole('button', { name: 'Formatted text' }).click();
	await page.locator('.save-state', { hasText: /^Saved/ }).waitFor();
	await page.unrouteAll();
	page.on('dialog', (dialog) => void dialog.accept());
	await page.reload();
	await folder(page, 'Drafts');
	await row(page, subject).click();
	await editorOf(page).getByText('Plain thoughts').waitFor();
});

check('emptying a folder takes nothing from another that is shown meanwhile', async ({ open }) => {
	const page = await open(alice);
	const [kept, trashed] = [unique('To be kept'), unique('To be emptied')];
	await deliver({ subject: kept, text: 'x' });
	await row(page, kept).waitFor();
	await deliver({ subject: trashed, text: 'x' });
	await row(page, trashed).hover();
	await row(page, trashed).getByRole('button', { name: 'Delete', exact: true }).click();
	await deliver({ subject: unique('Above it'), text: 'x' });
	await folder(page, 'Trash');
	await row(page, trashed).waitFor();
	let release;
	const released = new Promise((resolve) => {
		release = resolve;
	});
	let first = true;
	const asked = intercept(page, '"limit":5000', async (route) => {
		if (!first) return route.continue();
		first = false;
		const response = await route.fetch();
		const json = await response.json();
		const query = json.methodResponses.find(([name]) => name === 'Email/query')[1];
		// As of a folder with more than come at once.
		query.ids.splice(1);
		query.total = 2;
		await released;
		return route.fulfill({ response, json });
	});
	await page.getByRole('button', { name: 'Empty this folder' }).click();
	await page.getByRole('button', { name: 'Delete all' }).click();
	await asked;
	await folder(page, 'Inbox');
	const destroyed = page.waitForResponse((response) => response.request().postData()?.includes('"destroy":[') ?? false);
	release();
	await destroyed;
	await page.reload();
	await row(page, kept).waitFor();
});

check('a message that was deleted elsewhere is said to be gone', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Soon gone');
	await deliver({ subject, text: 'x' });
	await openMessage(page, subject);
	const address = page.url();
	await page.goto(`${base}/#/m/x/no-such-message`);
	await page.reload();
	await page.getByText('This message no longer exists.').waitFor();
	await page.goto(address);
	await page.reload();
	await page.locator('.reader-subject', { hasText: subject }).waitFor();
	assert(await row(page, subject).locator('xpath=self::*[contains(@class,"open")]').count() === 1, 'its row is not marked');
});
