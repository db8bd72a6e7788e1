// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The handle between list and reader: pulled or moved with the arrow keys, remembered by this browser.
import { t } from '../i18n.ts';
import { setting, settings } from '../store/settings.ts';

const least = 300;
const most = 640;

function resize(width: number): void {
	setting({ listWidth: Math.round(Math.min(most, Math.max(least, width))) });
}

export function Splitter() {
	const rtl = (): boolean => getComputedStyle(document.documentElement).direction === 'rtl';
	return (
		<div class="splitter" role="separator" aria-orientation="vertical" aria-label={t('splitter')} tabIndex={0} aria-valuemin={least} aria-valuemax={most} aria-valuenow={settings.value.listWidth}
			onPointerDown={(event) => {
				event.preventDefault();
				const handle = event.currentTarget;
				handle.setPointerCapture(event.pointerId);
				const start = event.clientX;
				const width = settings.value.listWidth;
				const sign = rtl() ? -1 : 1;
				const move = (at: PointerEvent): void => resize(width + sign * (at.clientX - start));
				handle.addEventListener('pointermove', move);
				handle.addEventListener('lostpointercapture', () => handle.removeEventListener('pointermove', move), { once: true });
			}}
			onKeyDown={(event) => {
				const by = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
				if (by === undefined) return;
				event.preventDefault();
				event.stopPropagation();
				resize(settings.value.listWidth + (rtl() ? -by : by));
			}} />
	);
}
