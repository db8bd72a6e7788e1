// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Small pieces that every screen uses: buttons, avatars, menus, dialogs.
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n.ts';
import { type Address, hueOf, initials } from '../lib/addresses.ts';
import { Icon, type IconName } from './icons.tsx';

export interface IconButtonProps {
	icon: IconName;
	label: string;
	/** Shown after the label in the tip. */
	keys?: string;
	onClick(event: MouseEvent): void;
	pressed?: boolean;
	disabled?: boolean;
	filled?: boolean;
	class?: string;
	expanded?: boolean;
	danger?: boolean;
	buttonRef?: RefObject<HTMLButtonElement | null>;
	tabIndex?: number;
	keepFocus?: boolean;
}

export function IconButton(props: IconButtonProps) {
	return (
		<button type="button" ref={props.buttonRef} class={`icon-button ${props.class ?? ''} ${props.danger ? 'danger' : ''}`} aria-label={props.label}
			title={props.keys ? `${props.label} (${props.keys})` : props.label} aria-pressed={props.pressed} aria-expanded={props.expanded}
			aria-haspopup={props.expanded === undefined ? undefined : 'menu'} disabled={props.disabled} tabIndex={props.tabIndex}
			onMouseDown={props.keepFocus ? (event) => event.preventDefault() : undefined} onClick={props.onClick}>
			<Icon name={props.icon} filled={props.filled} />
		</button>
	);
}

export function Avatar({ address }: { address: Address | undefined }) {
	return address ?
		<span class={`avatar hue-${hueOf(address.email, 10)}`} aria-hidden="true">{initials(address)}</span> :
		<span class="avatar hue-0" aria-hidden="true">?</span>;
}

export interface MenuItem {
	icon?: IconName;
	label: string;
	run(): void;
	danger?: boolean;
	checked?: boolean;
	depth?: number;
}

/** A button that opens a menu: arrows move, Escape and a click elsewhere close it. */
export function MenuButton({ icon, label, items, class: name, children, align }: {
	icon?: IconName; label: string; items: (MenuItem | null | false)[]; class?: string; children?: ComponentChildren; align?: 'start' | 'end';
}) {
	const [open, setOpen] = useState(false);
	const root = useRef<HTMLSpanElement>(null);
	const button = useRef<HTMLButtonElement>(null);
	const close = (focus: boolean): void => {
		setOpen(false);
		if (focus) button.current?.focus();
	};
	return (
		<span class="menu-root" ref={root}>
			{children ?
				<button type="button" ref={button} class={name} aria-label={label} title={label} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>{children}</button> :
				<IconButton buttonRef={button} icon={icon ?? 'more'} label={label} class={name} expanded={open} onClick={(event) => {
					event.stopPropagation();
					setOpen(!open);
				}} />}
			{open && <Menu label={label} items={items} anchor={button} align={align ?? 'end'} close={close} />}
		</span>
	);
}

function Menu({ label, items, anchor, align, close }: {
	label: string; items: (MenuItem | null | false)[]; anchor: RefObject<HTMLElement | null>; align: 'start' | 'end'; close(focus: boolean): void;
}) {
	const menu = useRef<HTMLDivElement>(null);
	useLayoutEffect(() => {
		const element = menu.current!;
		place(element, anchor.current!, align);
		element.querySelector<HTMLElement>('[role^=menuitem]')?.focus();
		const away = (event: Event): void => {
			if (!element.contains(event.target as Node) && !anchor.current?.contains(event.target as Node)) close(false);
		};
		const leave = (): void => close(false);
		document.addEventListener('pointerdown', away, true);
		window.addEventListener('resize', leave);
		window.addEventListener('blur', leave);
		return () => {
			document.removeEventListener('pointerdown', away, true);
			window.removeEventListener('resize', leave);
			window.removeEventListener('blur', leave);
		};
	}, []);
	const onKeyDown = (event: KeyboardEvent): void => {
		event.stopPropagation();
		if (event.key === 'Escape' || event.key === 'Tab') {
			event.preventDefault();
			close(true);
			return;
		}
		const entries = [...menu.current!.querySelectorAll<HTMLElement>('[role^=menuitem]')];
		const at = entries.indexOf(document.activeElement as HTMLElement);
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
		if (to === undefined) return;
		event.preventDefault();
		entries[(to + entries.length) % entries.length]?.focus();
	};
	return (
		<div class="menu" role="menu" aria-label={label} ref={menu} onKeyDown={onKeyDown} onClick={(event) => event.stopPropagation()}>
			{items.map((item, i) => item ?
				<button key={i} type="button" tabIndex={-1} class={`menu-item ${item.danger ? 'danger' : ''}`} role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
					aria-checked={item.checked} onClick={() => {
						close(true);
						item.run();
					}}>
					{item.checked !== undefined ? <span class="menu-mark">{item.checked && <Icon name="check" />}</span> : item.icon && <Icon name={item.icon} />}
					<span>{item.label}</span>
				</button> :
				item === null && <hr key={i} />)}
		</div>
	);
}

/** Below its button, or above where there is no room; never outside the window. */
export function place(element: HTMLElement, anchor: HTMLElement, align: 'start' | 'end'): void {
	const box = anchor.getBoundingClientRect();
	const { width, height } = element.getBoundingClientRect();
	const rtl = getComputedStyle(anchor).direction === 'rtl';
	const atRight = (align === 'end') !== rtl;
	const left = Math.max(8, Math.min(atRight ? box.right - width : box.left, innerWidth - width - 8));
	const below = box.bottom + 4 + height <= innerHeight - 8;
	element.style.left = `${left}px`;
	element.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - 4 - height)}px`;
}

/** A modal dialog; Escape and the ground behind it cancel. */
export function Dialog({ title, onClose, children, class: name, closable = true }: {
	title: string; onClose(): void; children: ComponentChildren; class?: string; closable?: boolean;
}) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		const before = document.activeElement as HTMLElement | null;
		const element = dialog.current!;
		element.showModal();
		element.querySelector<HTMLElement>('[data-focus]')?.focus();
		return () => {
			element.close();
			if (before?.isConnected) before.focus();
		};
	}, []);
	return (
		<dialog ref={dialog} class={`dialog ${name ?? ''}`} aria-label={title} onKeyDown={(event) => event.stopPropagation()}
			onCancel={(event) => {
				event.preventDefault();
				if (closable) onClose();
			}}
			onPointerDown={(event) => {
				if (closable && event.target === dialog.current) onClose();
			}}>
			<div class="dialog-body">
				<header class="dialog-head">
					<h2>{title}</h2>
					{closable && <IconButton icon="close" label={t('close')} onClick={onClose} />}
				</header>
				{children}
			</div>
		</dialog>
	);
}

export function Spinner() {
	return <span class="spinner" aria-hidden="true" />;
}
