// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Signing in and out.
import { alice, assert, base, check, equal, password, shoot, signIn } from '../harness.mjs';

check('a wrong password is refused, and said so', async ({ openSignedOut }) => {
	const page = await openSignedOut();
	await page.goto(base);
	await page.getByLabel('Email address').fill(alice);
	await page.getByLabel('Password', { exact: true }).fill('not the password');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByRole('alert').getByText('The address or the password is wrong.').waitFor();
	await shoot(page, 'sign-in-refused');
	equal(await page.locator('.app').count(), 0, 'mail is shown');
});

check('the right password opens the inbox', async ({ openSignedOut }) => {
	const page = await openSignedOut();
	await page.goto(base);
	await shoot(page, 'sign-in');
	await signIn(page, alice);
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
	const cookies = await page.context().cookies();
	const cookie = cookies.find(({ name }) => name === '__Host-fourpost');
	assert(cookie && cookie.httpOnly && cookie.secure && cookie.sameSite === 'Strict', 'the cookie is not guarded');
	equal(await page.evaluate(() => document.cookie), '', 'cookies that scripts see');
	for (const name of ['Inbox', 'Drafts', 'Sent', 'Trash']) await page.locator('.folder-name', { hasText: name }).waitFor();
});

check('the page stays signed in over a reload', async ({ open }) => {
	const page = await open(alice);
	await page.reload();
	await page.locator('.list-title h1', { hasText: 'Inbox' }).waitFor();
});

check('the page\'s policy allows no inline script and no foreign host', async ({ openSignedOut }) => {
	const page = await openSignedOut();
	const response = await page.goto(base);
	const policy = response.headers()['content-security-policy'] ?? '';
	for (const part of ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"])
		assert(policy.includes(part), `the policy lacks ${part}: ${policy}`);
	assert(!policy.includes('unsafe'), policy);
	const html = await response.text();
	assert(!/<script(?![^>]*\bsrc=)/.test(html) && !/<style|\sstyle=|\son\w+=/.test(html), 'the page has inline script or style');
});

check('the language is switched before signing in', async ({ openSignedOut }) => {
	const page = await openSignedOut();
	await page.goto(base);
	await page.getByRole('button', { name: 'Language' }).click();
	await page.getByRole('menuitemradio', { name: '简体中文' }).click();
	await page.getByRole('heading', { name: '登录邮箱' }).waitFor();
	equal(await page.locator('html').getAttribute('lang'), 'zh-Hans', 'the language of the page');
	await shoot(page, 'sign-in-chinese');
	await page.reload();
	await page.getByRole('heading', { name: '登录邮箱' }).waitFor();
});

check('signing out ends the session', async ({ openSignedOut }) => {
	const page = await openSignedOut();
	await page.goto(base);
	await signIn(page, alice);
	await page.locator('.account-button').click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await page.getByLabel('Email address').waitFor();
	equal(await page.evaluate(async () => (await fetch('/auth/session')).status), 401, 'the session');
	await page.getByLabel('Email address').fill(alice);
	await page.getByLabel('Password', { exact: true }).fill(password);
	await page.keyboard.press('Enter');
	await page.locator('.app').waitFor();
});
