// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Languages, sizes, colours, accessibility.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { alice, assert, bob, check, equal, focused, frame, openMessage, row, shoot, unique, until } from '../harness.mjs';
import { deliver, png } from '../mail.mjs';
import { editorOf } from '../writing.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Breaches of WCAG 2 A and AA that axe finds on the page as it stands. */
async function breaches(page) {
	await page.evaluate(axe);
	const results = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], iframes: false }));
	return results.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ target, any }) => `${target.join(' ')} (${any.map(({ message }) => message).join('; ').slice(0, 200)})`).join(' | ')}`);
}

check('Chinese: the interface, and mail in Chinese both ways', async ({ open }) => {
	const page = await open(alice, { locale: 'zh-CN', timezoneId: 'Asia/Shanghai' });
	const other = await open(bob);
	equal(await page.locator('html').getAttribute('lang'), 'zh-Hans', 'the language of the page');
	for (const name of ['收件箱', '草稿', '已发送', '垃圾邮件', '已删除']) await page.locator('.folder-name', { hasText: name }).waitFor();
	const incoming = unique('项目进度更新与下周安排');
	await deliver({ from: '王小明 <ming@remote.test>', subject: incoming, text: '爱丽丝你好，\n\n附件是本周的项目进度报告，请查收。\n\n祝好\n小明\n', files: [{ type: 'application/pdf', name: '进度报告.pdf', bytes: 'x'.repeat(1000) }] });
	await openMessage(page, incoming);
	await frame(page).getByText('附件是本周的项目进度报告，请查收。').waitFor();
	await page.locator('.file-name', { hasText: '进度报告.pdf' }).waitFor();
	await page.locator('.reader-sender', { hasText: '王小明' }).waitFor();
	await shoot(page, 'chinese-reading');

	const outgoing = unique('关于合同的问题');
	await page.locator('.compose-button').click();
	await editorOf(page).waitFor();
	await page.locator('.compose').getByLabel('收件人', { exact: true }).fill(`鲍勃 <${bob}>`);
	await page.keyboard.press('Enter');
	await page.locator('.compose').getByLabel('主题').fill(outgoing);
	await editorOf(page).click();
	await page.keyboard.insertText('你好，合同什么时候能签？');
	await shoot(page, 'chinese-writing');
	await page.locator('.compose .send').click();
	await page.getByText('邮件已发送', { exact: true }).waitFor();
	await row(other, outgoing).waitFor();
	await openMessage(other, outgoing);
	await frame(other).getByText('你好，合同什么时候能签？').waitFor();
	await page.keyboard.press('Shift+?');
	await page.getByRole('heading', { name: '键盘快捷键' }).waitFor();
	await shoot(page, 'chinese-help');
});

check('keys that an input method uses are no shortcuts', async ({ open }) => {
	const page = await open(alice);
	await page.locator('.row').first().waitFor();
	const press = (key, isComposing) => page.evaluate(([k, c]) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: k, isComposing: c, bubbles: true, cancelable: true })), [key, isComposing]);
	await press('c', true);
	await page.waitForTimeout(300);
	equal(await page.locator('.compose').count(), 0, 'windows opened while composing');
	await press('c', false);
	await editorOf(page).waitFor();
});

check('shortcuts can be switched off', async ({ open }) => {
	const page = await open(alice);
	await page.locator('.row:not(.waiting)').first().waitFor();
	await page.keyboard.press('Shift+?');
	await page.getByRole('switch', { name: 'Keyboard shortcuts' }).uncheck();
	await page.keyboard.press('Escape');
	await page.keyboard.press('c');
	await page.waitForTimeout(300);
	equal(await page.locator('.compose').count(), 0, 'windows opened');
	await page.locator('.row').first().focus();
	await page.keyboard.press('ArrowDown');
	await focused(page, '2'); // arrows within the list still work
});

check('settings: language, colours, name and signature', async ({ open }) => {
	const page = await open(alice);
	await page.locator('.account-button').click();
	await page.getByRole('menuitem', { name: 'Settings' }).click();
	await page.getByRole('group', { name: 'Colours' }).getByRole('button', { name: 'Dark' }).click();
	await page.getByLabel('Your name, as others see it').fill('Alice Liddell');
	await page.getByLabel('Signature').fill('Alice\nWonderland');
	await shoot(page, 'settings');
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByText('Settings saved', { exact: true }).waitFor();
	await page.reload();
	equal(await page.locator('html').getAttribute('data-theme'), 'dark', 'colours after a reload');
	const subject = unique('In the dark');
	await deliver({ subject, text: 'only text' });
	await openMessage(page, subject);
	await until(() => frame(page).locator('html').evaluate((element) => getComputedStyle(element).backgroundColor === 'rgb(26, 29, 35)'), 'plain text is dark as well');
	await page.locator('.compose-button').click();
	await editorOf(page).getByText('Wonderland').waitFor();
	await page.keyboard.press('Escape');
	await page.locator('.account-button').click();
	await page.getByRole('menuitem', { name: 'Settings' }).click();
	await page.getByLabel('Language').selectOption('zh-Hans');
	await page.getByRole('heading', { name: '设置' }).waitFor();
	await page.getByLabel('语言').selectOption('en');
	await page.getByLabel('Signature').fill('');
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByText('Settings saved', { exact: true }).waitFor();
});

check('a phone shows one pane at a time', async ({ open }) => {
	const page = await open(alice, { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
	const subject = unique('On the road');
	await deliver({ from: 'Bob Carter <bob@remote.test>', subject, text: 'Plain', html: '<p>A message to read <b>on the way</b>.</p>', files: [{ type: 'image/png', name: 'map.png', bytes: png }] });
	await row(page, subject).waitFor();
	await shoot(page, 'phone-list');
	equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'it scrolls sideways');
	await row(page, subject).tap();
	await frame(page).getByText('on the way').waitFor();
	assert(!await page.locator('.list').isVisible(), 'the list is still seen');
	await shoot(page, 'phone-reading');
	await page.getByRole('button', { name: 'Reply', exact: true }).tap();
	await editorOf(page).waitFor();
	await shoot(page, 'phone-writing');
	await page.getByRole('button', { name: 'Keep as a draft and close' }).tap();
	await page.locator('.compose').waitFor({ state: 'detached' });
	await page.goBack();
	await page.locator('.list').waitFor();
	await page.getByRole('button', { name: 'Folders' }).tap();
	await page.locator('.folders').waitFor();
	await shoot(page, 'phone-folders');
	await page.locator('.folder-button', { hasText: 'Sent' }).tap();
	await page.locator('.list-title h1', { hasText: 'Sent' }).waitFor();
	equal(await page.locator('.folders').count(), 0, 'folder panes left open');
});

check('two panes on a middle screen', async ({ open }) => {
	const page = await open(alice, { viewport: { width: 900, height: 700 } });
	await page.locator('.row').first().click();
	await page.locator('.reader-subject').waitFor();
	assert(await page.locator('.list').isVisible() && !await page.locator('.folders').isVisible(), 'not two panes');
	await shoot(page, 'two-panes');
});

for (const colorScheme of ['light', 'dark']) {
	check(`nothing breaks the rules of accessibility (${colorScheme})`, async ({ open, openSignedOut }) => {
		const found = [];
		const note = async (page, place) => found.push(...(await breaches(page)).map((text) => `${place}: ${text}`));
		const out = await openSignedOut({ colorScheme });
		await out.goto(process.env.FOURPOST_WEB);
		await out.locator('form').waitFor();
		await note(out, 'sign in');
		const page = await open(alice, { colorScheme });
		await page.locator('.row:not(.waiting)').first().waitFor();
		await note(page, 'list');
		await page.locator('.row:not(.waiting)').first().click();
		await page.locator('.reader-subject').waitFor();
		await page.waitForTimeout(300);
		await note(page, 'reader');
		await shoot(page, `colours-${colorScheme}`);
		await page.locator('.row-select').first().click();
		await note(page, 'selection');
		await page.keyboard.press('Escape');
		await page.locator('.compose-button').click();
		await editorOf(page).waitFor();
		await page.locator('.compose').getByLabel('To', { exact: true }).fill('bob@example.test');
		await page.keyboard.press('Enter');
		await note(page, 'compose');
		await shoot(page, `colours-${colorScheme}-writing`);
		await page.locator('.account-button').click();
		await note(page, 'menu');
		await page.getByRole('menuitem', { name: 'Settings' }).click();
		await note(page, 'settings');
		equal(found.join('\n'), '', 'breaches');
	});
}
