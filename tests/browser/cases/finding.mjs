// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Search.
import { alice, assert, check, equal, openMessage, row, shoot, unique } from '../harness.mjs';
import { deliver, inject, message } from '../mail.mjs';

async function search(page, text) {
	await page.getByLabel('Search mail').fill(text);
	await page.keyboard.press('Enter');
	await page.locator('.list-title h1', { hasText: 'Search results' }).waitFor();
	await page.locator('.list-title .muted:not(:has(.spinner))').waitFor();
}

async function found(page) {
	await page.locator('.row:not(.waiting), .empty').first().waitFor();
	return (await page.locator('.list .row-subject').allTextContents()).sort();
}

check('search finds by words and operators', async ({ open }) => {
	const page = await open(alice);
	const mark = unique('needle').replace(/\W/g, '');
	await inject([
		message({ from: 'Anna Frank <anna@remote.test>', subject: `Report ${mark}`, text: 'The heron stands in the water.', files: [{ type: 'text/csv', name: 'a.csv', bytes: 'a,b' }] }),
		message({ from: 'Peter Pan <peter@remote.test>', subject: `Holiday ${mark}`, text: 'The heron flies.' }),
		message({ from: 'Anna Frank <anna@remote.test>', subject: `Invoice ${mark}`, text: 'Please pay.' }),
	]);
	await row(page, `Invoice ${mark}`).waitFor();
	const cases = [
		[`${mark}`, ['Holiday', 'Invoice', 'Report']],
		[`${mark} heron`, ['Holiday', 'Report']],
		[`subject:${mark} from:anna`, ['Invoice', 'Report']],
		[`subject:${mark} has:attachment`, ['Report']],
		[`subject:${mark} -from:anna`, ['Holiday']],
		[`subject:${mark} is:unread in:inbox`, ['Holiday', 'Invoice', 'Report']],
		[`subject:${mark} in:trash`, []],
		[`subject:${mark} after:2020-01-01 before:2999-01-01`, ['Holiday', 'Invoice', 'Report']],
		[`subject:${mark} before:2020-01-01`, []],
		[`subject:${mark} to:alice`, ['Holiday', 'Invoice', 'Report']],
		[`subject:"Holiday ${mark}"`, ['Holiday']],
	];
	for (const [text, expected] of cases) {
		await search(page, text);
		equal((await found(page)).join(), expected.map((name) => `${name} ${mark}`).join(), text);
	}
	await search(page, `${mark} heron`);
	await page.locator('.row mark').first().waitFor();
	await page.locator('.row-where', { hasText: 'Inbox' }).first().waitFor();
	await shoot(page, 'searching');
	await openMessage(page, 'Report');
	await page.getByLabel('Search mail').focus();
	await page.keyboard.press('Escape');
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
});

check('search finds Chinese', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('项目进度更新');
	await deliver({ from: '王小明 <ming@remote.test>', subject, text: '下周三下午两点我们在三号会议室开会。\n' });
	await row(page, subject).waitFor();
	await search(page, '会议室 from:王小明');
	assert((await found(page)).includes(subject), 'it is not found');
});

check('search says what it does not understand, and what to do about nothing', async ({ open }) => {
	const page = await open(alice);
	await search(page, 'zzzznothing before:soon');
	await page.getByText('Not understood, and left out: before:soon').waitFor();
	await page.getByText('Nothing was found.').waitFor();
	await shoot(page, 'searching-nothing');
	await page.getByRole('button', { name: 'Clear the search' }).first().click();
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
});

check('/ goes to the search box, and a search has an address of its own', async ({ open }) => {
	const page = await open(alice);
	await page.locator('.row').first().waitFor();
	await page.keyboard.press('/');
	await page.keyboard.type('from:marie');
	await page.getByText('Narrow the search').waitFor();
	await page.keyboard.press('Enter');
	await page.locator('.list-title h1', { hasText: 'Search results' }).waitFor();
	await page.reload();
	await page.locator('.list-title h1', { hasText: 'Search results' }).waitFor();
	equal(await page.getByLabel('Search mail').inputValue(), 'from:marie', 'the search after a reload');
	await page.goBack();
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
});
