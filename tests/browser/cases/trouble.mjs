// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Lost connections, ended sessions, refusals: nothing the user did may be lost.
import { alice, assert, base, bob, check, equal, openMessage, password, row, shoot, unique } from '../harness.mjs';
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
