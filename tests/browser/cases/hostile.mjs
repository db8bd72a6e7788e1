// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Mail that means harm: nothing of it may run, load or reach out of its frame.
import { createServer } from 'node:http';
import { alice, assert, base, check, equal, frame, openMessage, shoot, unique, until } from '../harness.mjs';
import { deliver } from '../mail.mjs';

/** Counts whoever comes to fetch something. */
async function canary() {
	const hits = [];
	const server = createServer((request, response) => {
		hits.push(request.url);
		response.end();
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return { url: `http://127.0.0.1:${server.address().port}`, hits, close: () => server.close() };
}

function attack(url) {
	const run = `document.title='owned';parent.document.title='owned';fetch('${url}/script');alert(1)`;
	return `<html><head><title>owned</title><base href="${url}/"><meta http-equiv="refresh" content="0;url=${url}/refresh"><link rel="stylesheet" href="${url}/link.css"><link rel="prefetch" href="${url}/prefetch">
<style>@import url("${url}/import.css"); body{background:url(${url}/style-body)} @font-face{font-family:x;src:url(${url}/font)} p{font-family:x} .a{background-image:url( '${url}/style-class' )}</style></head>
<body background="${url}/background" onload="${run}"><p class="a" style="background:url(${url}/inline)">Dear customer</p>
<script>${run}</script><script src="${url}/src.js"></script>
<img src="x" onerror="${run}"><img src="${url}/image" srcset="${url}/srcset 2x"><img src=//127.0.0.1/relative onerror=${JSON.stringify(run)}>
<svg onload="${run}"><image href="${url}/svg-image"/><animate attributeName="href" values="javascript:${run}"/><foreignObject><iframe src="${url}/svg-frame"></iframe></foreignObject></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${run}&gt;"></mglyph></table></mtext></math>
<iframe src="${url}/frame"></iframe><object data="${url}/object"></object><embed src="${url}/embed"><video src="${url}/video" poster="${url}/poster" autoplay></video><audio src="${url}/audio" autoplay></audio>
<form action="${url}/form"><input name="password" type="password" autofocus onfocus="${run}"><button formaction="javascript:${run}">go</button></form>
<a href="javascript:${run}" id="bad">click me</a> <a href="  java\tscript:${run}">or me</a> <a href="data:text/html,<script>${run}</script>">or me too</a>
<div style="position:fixed;inset:0;z-index:99999;background:red;width:expression(${run})">covers the page</div>
<template><img src="${url}/template" onerror="${run}"></template><noscript><p title="</noscript><img src=x onerror=${run}>"></noscript>
<textarea><img title="</textarea><img src=x onerror=${run}>"></textarea><p>The end</p></body></html>`;
}

/** Every request of a page that goes to another place than the server of the tests. */
function watch(page) {
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

check('a hostile message runs nothing and asks for nothing', async ({ open }) => {
	const trap = await canary();
	const page = await open(alice);
	const foreign = watch(page);
	const subject = unique('Your account');
	await deliver({ subject, html: attack(trap.url) });
	await openMessage(page, subject);
	await frame(page).getByText('The end').waitFor();
	await page.waitForTimeout(1500);
	await shoot(page, 'reading-hostile');
	equal(foreign.join(' '), '', 'foreign requests');
	equal(trap.hits.join(' '), '', 'fetches that arrived');
	assert(!(await page.title()).includes('owned'), 'a script changed the title');
	equal(await frame(page).locator('script, iframe, object, embed, form, input, button, svg, math, meta[http-equiv=refresh], base, link, video, audio').count(), 0, 'elements that should have gone');
	const handlers = await frame(page).locator('body').evaluate((body) => [body, ...body.querySelectorAll('*')].flatMap((element) => [...element.attributes])
		.filter(({ name, value }) => name.startsWith('on') || /^\s*(?:j\s*a\s*v\s*a|data:text)/i.test(value)).map(({ name }) => name));
	equal(handlers.join(' '), '', 'attributes that run');
	const origin = await page.locator('iframe.reader-frame').evaluate((element) => element.sandbox.value);
	assert(!origin.includes('allow-scripts') && !origin.includes('allow-same-origin'), `the sandbox is ${origin}`);
	trap.close();
});

check('its links cannot run scripts when clicked', async ({ open }) => {
	const trap = await canary();
	const page = await open(alice);
	const foreign = watch(page);
	const subject = unique('Click here');
	await deliver({ subject, html: `<p><a href="javascript:fetch('${trap.url}/click')">click me</a></p><p>The end</p>` });
	await openMessage(page, subject);
	await frame(page).getByText('click me').click();
	await page.waitForTimeout(500);
	equal(foreign.join(' ') + trap.hits.join(' '), '', 'what came of the click');
	trap.close();
});

check('remote images wait until they are asked for', async ({ open }) => {
	const page = await open(alice);
	const asked = [];
	await page.context().route('https://images.remote.test/**', (route) => {
		asked.push(route.request().url());
		return route.abort();
	});
	const subject = unique('Newsletter');
	await deliver({ subject, html: '<p>News</p><img src="https://images.remote.test/a.png"><img src="https://images.remote.test/b.png"><p>The end</p>', text: 'News' });
	await openMessage(page, subject);
	await page.getByText('2 images from elsewhere were not loaded.').waitFor();
	await page.waitForTimeout(500);
	equal(asked.length, 0, 'images asked for');
	await shoot(page, 'reading-images-blocked');
	await page.getByRole('button', { name: 'Show images' }).click();
	await until(() => asked.length === 2, 'the images are asked for');
	equal(await page.getByText('2 images from elsewhere').count(), 0, 'banners left');
});

check('quoting a hostile message in a reply runs nothing', async ({ open }) => {
	const trap = await canary();
	const page = await open(alice);
	const foreign = watch(page);
	const subject = unique('Please answer');
	await deliver({ subject, html: attack(trap.url) });
	await openMessage(page, subject);
	await page.getByRole('button', { name: 'Reply', exact: true }).click();
	const editor = page.locator('.editor[contenteditable]');
	await editor.getByText('Dear customer').waitFor();
	await editor.press('x');
	await editor.press('Control+z');
	await page.waitForTimeout(1000);
	equal(foreign.join(' ') + trap.hits.join(' '), '', 'what the quote did');
	const bad = await editor.evaluate((root) => [...root.querySelectorAll('*')].filter((element) => /^(?:script|style|iframe|object|embed|form|button|svg|math|meta|base|link|video|audio|template|textarea)$/i.test(element.nodeName) ||
		[...element.attributes].some(({ name, value }) => name.startsWith('on') || /javascript:|url\(|fixed/i.test(value))).map((element) => element.outerHTML.slice(0, 100)));
	equal(bad.join('\n'), '', 'what is left of it');
	await page.getByRole('button', { name: 'Discard the draft' }).click();
	await page.getByRole('button', { name: 'Discard', exact: true }).click();
	trap.close();
});

check('hostile headers are only text', async ({ open }) => {
	const page = await open(alice);
	const foreign = watch(page);
	const subject = unique('<img src=x onerror=alert(1)> <b>bold</b>');
	await deliver({ from: '"<img src=x onerror=alert(2)>" <x@remote.test>', subject, text: 'x', files: [{ type: 'text/html', name: '<img src=x onerror=alert(3)>.html', bytes: '<script>alert(4)</script>' }] });
	await openMessage(page, subject);
	await page.locator('.file-name', { hasText: '<img src=x' }).waitFor();
	await page.waitForTimeout(300);
	equal(foreign.join(' '), '', 'what it did');
	equal(await page.locator('.reader-header img, .row img, .file-name img').count(), 0, 'images made of text');
});
