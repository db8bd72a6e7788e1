// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Ways to run, to load or to send something that hostile mail has been known to use, one message each.

/** The names and bodies. url: where anything that is loaded or sent would go; run: a script that would make itself known. */
export function vectors(url, run) {
	const html = {
		'base with a relative image': `<base href="${url}/"><img src="relative.png"><a href="relative.html">link</a>`,
		'meta refresh': `<meta http-equiv="refresh" content="0; url=${url}/refresh"><META HTTP-EQUIV=Refresh CONTENT="0;URL=javascript:${run}">`,
		'meta policy and cookie': `<meta http-equiv="Content-Security-Policy" content="script-src *"><meta http-equiv="Set-Cookie" content="a=b"><meta http-equiv="x-dns-prefetch-control" content="on">`,
		'links that load': `${['stylesheet', 'preload" as="image', 'prefetch', 'preconnect', 'dns-prefetch', 'icon', 'manifest', 'modulepreload', 'import'].map((rel, i) => `<link rel="${rel}" href="${url}/link${i}">`).join('')}`,
		'fonts': `<style>@font-face{font-family:x;src:url(${url}/font.woff)}@font-face{font-family:y;src:local(a),url("${url}/y")}body{font-family:x,y}</style>text`,
		'imports': `<style>@import "${url}/a";@import url(${url}/b) screen;@\\69mport "${url}/c";@charset "x";@namespace url(${url}/d);</style>text`,
		'escaped urls in style': `<p style="background:u\\72l(${url}/a)">x</p><p style="background:\\75\\72\\6c(${url}/b)">x</p><p style="background/**/:/**/url/**/(${url}/c)">x</p><p style="background:url(&quot;${url}/d&quot;)">x</p><p style='background:url("${url}/e'>x</p>`,
		'other functions that load': `<p style="background-image:image-set('${url}/a' 1x)">x</p><p style="background:-webkit-image-set(url(${url}/b) 1x)">x</p><p style="background:cross-fade(url(${url}/c),url(${url}/d),50%)">x</p><p style="background:element(#a)">x</p><p style="background:src('${url}/e')">x</p>`,
		'other properties that load': ['cursor', 'content', 'mask-image', 'mask', 'filter', 'clip-path', 'border-image', 'border-image-source', 'list-style', 'list-style-image', 'shape-outside', 'src', 'offset-path', '-webkit-mask-box-image'].map((name, i) => `<p style="${name}:url(${url}/p${i})">x</p><style>.k${i}::before{${name}:url(${url}/s${i});content:"x"}</style><i class="k${i}">y</i>`).join(''),
		'variables': `<style>:root{--x:url(${url}/a)} p{background:var(--x);--y:url(${url}/b);background-image:var(--y)}</style><p style="--z:url(${url}/c);background:var(--z)">x</p>`,
		'scripts in style': `<p style="width:expression(${run});behavior:url(${url}/b.htc);-moz-binding:url(${url}/x.xml#a)">x</p><div style="background:url(javascript:${run})">x</div><style>p{x:expression(${run})}</style>`,
		'style that ends early': `<style>p{color:red}</style ><img src=x onerror="${run}"><style><!--</style><img src="x" onerror="${run}">--></style>`,
		'supports, layers, keyframes': `<style>@supports (a:b){p{background:url(${url}/a)}}@layer x{p{background:url(${url}/b)}}@keyframes k{from{background:url(${url}/c)}}@container (min-width:1px){p{background:url(${url}/d)}}p{animation:k 1s;&::after{content:url(${url}/e)}}</style><p>x</p>`,
		'covering': `<div style="position:fixed;top:0;left:0;width:9999px;height:9999px;z-index:9999">x</div><p style="position:absolute;margin-top:-999px">y</p><div popover style="display:block">z</div><dialog open>d</dialog>`,
		'images, all ways': `<img src="${url}/a.png" srcset="${url}/b 2x" sizes="1px" longdesc="${url}/c" lowsrc="${url}/d" dynsrc="${url}/e" loading="eager"><picture><source srcset="${url}/f"><img src="${url}/g"></picture><image src="${url}/h"><input type="image" src="${url}/i"><body background="${url}/j"><table background="${url}/k"><tr><td background="${url}/l">x</table>`,
		'images of odd addresses': ['//127.0.0.1/a', '\\\\127.0.0.1\\a', '/\\127.0.0.1/b', 'http:127.0.0.1/c', 'ftp://127.0.0.1/d', 'file:///etc/passwd', 'blob:x', 'filesystem:x', 'data:image/svg+xml;base64,PHN2Zy8+', 'data:text/html,x', ' javascript:x', 'ja\tvascript:x', '&#106;avascript:x', 'vbscript:x', '/render/x?images=1', '/jmap/api', '#x', ''].map((src) => `<img src="${src}">`).join(''),
		'frames': `<iframe src="${url}/a"></iframe><iframe srcdoc="<script>${run}</script>"></iframe><frameset><frame src="${url}/b"></frameset><object data="${url}/c" type="text/html"></object><embed src="${url}/d"><applet code="x" codebase="${url}/e"></applet><portal src="${url}/f"></portal><fencedframe src="${url}/g"></fencedframe>`,
		'media': `<video src="${url}/a" poster="${url}/b" autoplay onloadstart="${run}"><source src="${url}/c" onerror="${run}"><track src="${url}/d"></video><audio src="${url}/e" autoplay></audio><bgsound src="${url}/f">`,
		'forms': `<form action="${url}/a" method="post" target="_top"><input name="p" type="password" autofocus onfocus="${run}"><textarea name="t">x</textarea><select><option>y</select><button formaction="${url}/b">Sign in</button><input type="image" src="${url}/c"><isindex action="${url}/d"></form><button form="f" onclick="${run}">z</button>`,
		'handlers of every kind': ['p onclick', 'details open ontoggle', 'marquee onstart', 'body onpageshow', 'div onpointerenter', 'p onanimationstart', 'div onscroll', 'p contenteditable oninput', 'a onfocus', 'img/onerror', 'p/onmouseover', 'img src=x ONERROR', 'img src=x on\u0000error', 'img src=x\nonerror'].map((tag) => `<${tag}="${run}" tabindex=0 autofocus>x</p>`).join(''),
		'broken attributes': `<img src="x" alt="a" title=\`onerror=${run}\`><img alt='x" onerror="${run}' src="x"><img """><script>${run}</script>"><p title="a>b" onclick='${run}'>x<p a"onclick="${run}">y<<img src=x onerror="${run}">`,
		'links that run': ['javascript:', ' javascript:', 'java&#10;script:', 'java\tscript:', '&#x6A;avascript:', 'JaVaScRiPt:', '\u0001javascript:', 'vbscript:', 'data:text/html,', 'view-source:javascript:', 'feed:javascript:', 'jar:javascript:', 'blob:', 'filesystem:'].map((scheme) => `<a href="${scheme}${run}">x</a><map><area href="${scheme}${run}"></map>`).join(''),
		'links that tell': `<a href="https://example.org/" ping="${url}/ping" attributionsrc="${url}/attribution" download>x</a><a href="https://example.org/" target="_top" rel="opener">y</a>`,
		'svg': `<svg onload="${run}"><script>${run}</script><image href="${url}/a"/><use href="${url}/b#x"/><feImage href="${url}/c"/><style>@import "${url}/d";</style><a href="javascript:${run}"><text y="20">x</text></a><animate attributeName="href" values="javascript:${run}"/><set attributeName="onclick" to="${run}"/><foreignObject><img src="x" onerror="${run}"></foreignObject></svg>`,
		'math': `<math href="javascript:${run}"><mi xlink:href="javascript:${run}">x</mi><annotation-xml encoding="text/html"><img src=x onerror="${run}"></annotation-xml><mglyph><svg><mtext><textarea><path id="</textarea><img src=x onerror=${run}>"></svg></math>`,
		'text that turns into tags': `<noscript><p title="</noscript><img src=x onerror=${run}>"></noscript><textarea><p title="</textarea><img src=x onerror=${run}>"></textarea><title><a id="</title><img src=x onerror=${run}>"></title><xmp><p title="</xmp><img src=x onerror=${run}>"></xmp><noembed><p title="</noembed><img src=x onerror=${run}>"></noembed>`,
		'trees that are mended': `<form><div></form><form id=x><table><tr><form><svg></table><style><a title="</style><img src=x onerror=${run}>"></svg></form><table><math><p><style><!--</style><img title="--><img src=x onerror=${run}>">`,
		'comments and declarations': `<!--[if true]><script>${run}</script><![endif]--><!--><img src=x onerror="${run}">--><!--!><img src=x onerror="${run}"><![CDATA[<img src=x onerror="${run}">]]><?xml-stylesheet href="${url}/a"?><!DOCTYPE x [<!ENTITY e SYSTEM "${url}/b">]>&e;`,
		'templates and shadow': `<template><img src="${url}/a" onerror="${run}"></template><div><template shadowrootmode="open"><style>@import "${url}/b";</style><img src="${url}/c" onerror="${run}"></template></div><slot onslotchange="${run}">x</slot>`,
		'clobbering': `<p id="app" name="app">x</p><img name="body"><form name="documentElement"><input name="attributes"></form><a id="dark"></a><p class="card compose">y</p>`,
		'unclosed text': `<p>begin</p><plaintext><img src=x onerror="${run}">`,
		'unclosed style': `<p>begin</p><style>p{background:url(${url}/a)`,
		'unclosed attribute': `<p>begin</p><img src="${url}/a?`,
		'deep': `${'<div>'.repeat(3000)}<img src=x onerror="${run}">${'<b><a>'.repeat(500)}`,
	};
	const other = (type, body, encoding = '8bit') => ({ type, body: Buffer.isBuffer(body) ? body : Buffer.from(body), encoding });
	const tag = `<img src=x onerror="${run}"><script>${run}</script><img src="${url}/c">`;
	return [
		...Object.entries(html).map(([name, body]) => [name, other('text/html; charset=utf-8', `<html><body>${body}<p>The end</p></body></html>`)]),
		['tags in UTF-7', other('text/html; charset=utf-7', tag.replace(/</g, '+ADw-').replace(/>/g, '+AD4-'))],
		['tags in UTF-16', other('text/html; charset=utf-16', Buffer.from(`\ufeff${tag}`, 'utf16le'))],
		['tags between escapes of ISO-2022-JP', other('text/html; charset=iso-2022-jp', `<p title="\u001b$B">\u001b(B${tag}">x</p>`)],
		['tags behind half a character', other('text/html; charset=gbk', Buffer.concat([Buffer.from('<p title="'), Buffer.from([0x81]), Buffer.from(`">${tag}">x</p>`)]))],
		['tags with bytes that are no UTF-8', other('text/html; charset=utf-8', Buffer.concat([Buffer.from('<p title="a'), Buffer.from([0xc0, 0xbc, 0xf8, 0xe2]), Buffer.from(`">${tag}`)]))],
		['a charset that nobody knows', other('text/html; charset="x-user-defined\\"><script>"', tag)],
		['tags in plain text', other('text/plain; charset=utf-8', `${tag}\r\njavascript:${run}\r\nhttps://example.org/"onclick="${run}\r\nhttps://example.org/<img>\r\n> ${tag}`)],
		['tags in flowed text', other('text/plain; charset=utf-8; format=flowed', `<img src=x \r\nonerror="${run}"> \r\n>> ${tag}`)],
		['XHTML', other('application/xhtml+xml', `<html xmlns="http://www.w3.org/1999/xhtml"><body>${tag}</body></html>`)],
		['SVG alone', other('image/svg+xml', `<svg xmlns="http://www.w3.org/2000/svg" onload="${run}"><script>${run}</script></svg>`)],
		['XML with a style sheet', other('text/xml', `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="${url}/a"?><x/>`)],
		['a calendar', other('text/calendar', `BEGIN:VCALENDAR\r\nDESCRIPTION:${tag}\r\nATTACH:${url}/a\r\nEND:VCALENDAR\r\n`)],
		['a body elsewhere', other(`message/external-body; access-type=URL; URL="${url}/a"`, 'Content-Type: text/html\r\n\r\n')],
	];
}
