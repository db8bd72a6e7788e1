// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What several cases do with the window to write in.
export const editorOf = (page) => page.locator('.compose .editor[contenteditable]');

export async function compose(page) {
	await page.locator('.compose-button').click();
	await editorOf(page).waitFor();
}

export async function address(page, text, field = 'To') {
	const input = page.locator('.compose').getByLabel(field, { exact: true });
	await input.fill(text);
	await input.press('Enter');
}

export async function send(page) {
	await page.locator('.compose .send').click();
	await page.getByText('Message sent', { exact: true }).waitFor();
}

/** The name and the bytes of the first attachment of the open message. */
export async function download(page, link = page.locator('a.file').first()) {
	const [file] = await Promise.all([page.waitForEvent('download'), link.click()]);
	const chunks = [];
	for await (const chunk of await file.createReadStream()) chunks.push(chunk);
	return { name: file.suggestedFilename(), bytes: Buffer.concat(chunks) };
}
