// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Mail as other programs make it: the messages of tests/data/mime, the charsets of Chinese mail, parts within parts.
import { readdirSync, readFileSync } from 'node:fs';
import { alice, assert, check, equal, frame, openMessage, row, shoot, unique, until, watch } from '../harness.mjs';
import { inject, png } from '../mail.mjs';

const folder = new URL('../../data/mime/', import.meta.url);

/** What must be seen of some of them: the text, and the names of files. Of all others: that they open. */
const expected = {
	'base64-encoded-text': { text: 'This is a multi-part message in MIME format.', files: [] },
	'basic-plain': { text: 'This is a very simple message', files: [] },
	'qp-body': { text: '7bit content with euro € symbol', files: [] },
	'russian-headers': { text: 'This message has no text.', files: ['Список.doc'] },
	'simple-attachment': { text: 'Body.', files: ['data.bin'] },
	example: { text: 'Licensed to the Apache Software Foundation', files: ['blob.png', 'blob.png', 'rhubarb.txt'] },
	'base64encoded-rfc822message': { files: ['message.eml'] },
	'malformedHeader-noheader': { text: 'The whole text should be recognized as body.', files: [] },
};

const lines = (text) => Buffer.from(text.toString('latin1').replace(/\0/g, '').replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');

async function newest(page) {
	return page.locator('.row[aria-rowindex="1"]:not(.waiting)').getAttribute('data-id', { timeout: 1000 }).catch(() => null);
}

/** What the reader shows of the open message. */
async function shown(page) {
	const place = page.locator('.reader-message iframe, .reader-message .no-text');
	await place.waitFor();
	if (await page.locator('.no-text').count() > 0) return page.locator('.no-text').textContent();
	return frame(page).locator('body').innerText();
}

check('messages of other makers are shown, every one', async ({ open }) => {
	const page = await open(alice);
	const foreign = watch(page);
	const names = readdirSync(folder).filter((name) => name.endsWith('.msg')).map((name) => name.slice(0, -4)).sort();
	assert(names.length > 25, 'where are the messages?');
	for (const name of names) {
		const bytes = lines(readFileSync(new URL(`${name}.msg`, folder)));
		const before = await newest(page);
		const refused = await inject(bytes).then(() => '', (error) => error.message);
		if (bytes.toString('latin1').split('\r\n').some((line) => line.length > 998)) {
			assert(/too long/.test(refused), `${name}: its lines are longer than mail may have, but: ${refused}`);
			continue;
		}
		equal(refused, '', `${name} is taken`);
		const id = await until(async () => {
			const now = await newest(page);
			return now !== before && now;
		}, `${name} comes in`);
		await page.locator(`.row[data-id="${id}"]`).click();
		await page.locator(`.row.open[data-id="${id}"]`).waitFor();
		await page.locator('.reader-message').waitFor();
		const want = expected[name];
		if (want?.text !== undefined) await until(async () => (await shown(page)).includes(want.text), `${name}: the text`);
		else await shown(page);
		if (want?.files) equal((await page.locator('.file-name').allTextContents()).join('|'), want.files.join('|'), `${name}: its files`);
	}
	equal(foreign.join(' '), '', 'foreign requests');
});

/** As Chinese programs write it: names and subjects in the charset, the text in 8 bits. base64: the text in the charset. */
function inCharset(charset, { name, subject, mark, text, fileName }) {
	const part = `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n${text}\r\n`;
	return `From: =?${charset}?B?${name}?= <ming@remote.test>\r\nTo: ${alice}\r\nSubject: =?${charset}?B?${subject}?= ${mark}\r\nMIME-Version: 1.0\r\n` +
		`Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${part}\r\n--b\r\nContent-Type: application/pdf; name="=?${charset}?B?${fileName}?="\r\n` +
		`Content-Disposition: attachment; filename="=?${charset}?B?${fileName}?="\r\n\r\nx\r\n--b--\r\n`;
}

check('Chinese in its own charsets: names, subjects, texts and files', async ({ open }) => {
	const page = await open(alice, { locale: 'zh-CN' });
	const simplified = { name: 'zfXQocP3', subject: 'ttTVy7Wl', fileName: 'ttTVy7WlLnBkZg==' };
	const cases = [
		['GB18030', { ...simplified, text: '1/C+tLXEv827p6O6xPq6w6OhuL28/srHtv6plrb+wfnE6rXayP28vrbItcS21NXLtaWjrMfrsunK1aGjlTSyNaLj' }, '对账单', '王小明', '您好！附件是二〇二六年第三季度的对账单，请查收。𠮷€', '对账单.pdf'],
		['GBK', { ...simplified, text: '1/C+tLXEv827p6O6xPq6w6OhuL28/srHtv6plrb+wfnE6rXayP28vrbItcS21NXLtaWjrMfrsunK1aGj' }, '对账单', '王小明', '您好！附件是二〇二六年第三季度的对账单，请查收。', '对账单.pdf'],
		['gb2312', { ...simplified, text: '1/C+tLXEv827p6O6xPq6w6Oh' }, '对账单', '王小明', '尊敬的客户：您好！', '对账单.pdf'],
		['Big5', { name: 'pP2kcKn6', subject: 'ue+xYrPm', fileName: 'ue+xYrPmLnBkZg==', text: 'tEy3caq6q8ik4aFHsXqmbqFJqv6l86xPssSkVKl1q9equrnvsWKz5qFBvdCsZKasoUM=' }, '對帳單', '王小明', '您好！附件是第三季度的對帳單，請查收。', '對帳單.pdf'],
	];
	for (const [charset, parts, subject, name, text, file] of cases) {
		const mark = unique(charset);
		await inject(inCharset(charset, { ...parts, mark }));
		await openMessage(page, mark);
		equal(await page.locator('.reader-subject').textContent(), `${subject} ${mark}`, `${charset}: the subject`);
		equal(await page.locator('.reader-sender strong').textContent(), name, `${charset}: the sender`);
		await frame(page).getByText(text).waitFor();
		equal(await page.locator('.file-name').textContent(), file, `${charset}: the file`);
		await row(page, mark).getByText(name).waitFor();
	}
	await shoot(page, 'chinese-charsets');
	// 8 bits, the charset named by MIME; the HTML's own <meta> says something else.
	const mark = unique('HTML');
	await inject(Buffer.concat([
		Buffer.from(`From: x@remote.test\r\nTo: ${alice}\r\nSubject: ${mark}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=gbk\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<meta charset=utf-8><p>`),
		Buffer.from('c4e3bac3a3accac0bde7', 'hex'), Buffer.from(`</p>\r\n`),
	]));
	await openMessage(page, mark);
	await frame(page).getByText('你好，世界').waitFor();
});

check('parts within parts each find their place', async ({ open }) => {
	const page = await open(alice);
	const subject = unique('Nested');
	const image = png.toString('base64');
	const part = (head, body) => `${head}\r\n\r\n${body}\r\n`;
	const multi = (kind, boundary, parts) => part(`Content-Type: multipart/${kind}; boundary="${boundary}"`, `${parts.map((one) => `--${boundary}\r\n${one}`).join('\r\n')}\r\n--${boundary}--`);
	await inject(`From: x@remote.test\r\nTo: ${alice}\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\n${multi('mixed', 'outer', [
		multi('alternative', 'alt', [
			part('Content-Type: text/plain; charset=utf-8', 'the plain words'),
			multi('related', 'rel', [
				part('Content-Type: text/html; charset=utf-8', '<p>the <b>formatted</b> words <img src="cid:one@x" alt="one"> <img src="cid:drawn@x" alt="drawn"> <img src="cid:none@x" alt="none"></p>'),
				part('Content-Type: image/png\r\nContent-ID: <one@x>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64', image),
				part('Content-Type: image/svg+xml\r\nContent-ID: <drawn@x>\r\nContent-Disposition: inline', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
			]),
		]),
		part('Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="answer.eml"', 'From: y@remote.test\r\nSubject: within\r\n\r\nwords within'),
		multi('mixed', 'inner', [part('Content-Type: application/pdf; name="deep.pdf"\r\nContent-Disposition: attachment', 'x'), part('Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline', 'words at the end')]),
	])}`);
	await openMessage(page, subject);
	await frame(page).locator('b', { hasText: 'formatted' }).waitFor();
	await until(() => frame(page).locator('img[alt=one]').evaluate((element) => element.naturalWidth === 10), 'the image within the text is shown');
	for (const alt of ['drawn', 'none']) assert((await frame(page).locator(`img[alt=${alt}]`).getAttribute('src')).startsWith('data:image/gif'), `what is no image is shown: ${alt}`);
	const files = (await page.locator('.file-name').allTextContents()).sort();
	for (const name of ['answer.eml', 'deep.pdf']) assert(files.includes(name), `${name} is not among ${files}`);
	await shoot(page, 'reading-nested');
	await page.locator('.reader-subject').click();
	await page.keyboard.press('t');
	await frame(page).getByText('the plain words').waitFor();
});
