// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// A field of recipients: addresses become chips; what is pasted is split; names are suggested.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../i18n.ts';
import { type Address, formatAddress, isEmail, parseAddresses, shortName, uniqueAddresses } from '../lib/addresses.ts';
import { type Composer, type Recipients, touch } from '../store/composers.ts';
import { suggest } from '../store/contacts.ts';
import { announce } from '../store/notices.ts';
import { Icon } from './icons.tsx';
import { Avatar } from './parts.tsx';

export function RecipientField({ composer, field, focus }: { composer: Composer; field: Recipients; focus: boolean }) {
	const list = composer[field];
	const text = composer.pending[field];
	const input = useRef<HTMLInputElement>(null);
	const [at, setAt] = useState(0);
	const [open, setOpen] = useState(false);
	const id = useId();
	const suggestions = open ? suggest(text.value, list.value) : [];
	useEffect(() => {
		if (focus) input.current?.focus();
	}, [focus]);

	const add = (addresses: Address[]): void => {
		list.value = uniqueAddresses([...list.value, ...addresses]);
		touch(composer);
	};
	/** Takes what is typed; what is no address stays to be corrected. */
	const commit = (): void => {
		if (!text.value.trim()) {
			text.value = '';
			return;
		}
		const parsed = parseAddresses(text.value);
		if (parsed.addresses.length > 0) add(parsed.addresses);
		text.value = parsed.invalid.join(', ');
		if (parsed.invalid.length > 0) announce(t('compose.invalid', { address: text.value }));
	};
	const choose = (address: Address): void => {
		text.value = '';
		setOpen(false);
		add([address]);
		input.current?.focus();
	};
	const remove = (index: number): void => {
		list.value = list.value.filter((_, i) => i !== index);
		touch(composer);
		input.current?.focus();
	};
	const onKeyDown = (event: KeyboardEvent): void => {
		if (event.isComposing || event.ctrlKey || event.metaKey) return;
		const suggested = suggestions[at];
		if (event.key === 'Backspace' && text.value === '' && list.value.length > 0) remove(list.value.length - 1);
		else if (event.key === 'ArrowDown' && suggestions.length > 0) setAt((at + 1) % suggestions.length);
		else if (event.key === 'ArrowUp' && suggestions.length > 0) setAt((Math.max(at, 0) + suggestions.length - 1) % suggestions.length);
		else if (event.key === 'Escape' && suggestions.length > 0) {
			event.stopPropagation();
			setOpen(false);
		} else if ((event.key === 'Enter' || event.key === 'Tab') && suggested) choose(suggested);
		else if (event.key === 'Enter' || event.key === ',' || event.key === ';') commit();
		else return;
		event.preventDefault();
	};
	const bad = text.value.trim() !== '' && !open;
	return (
		<div class="compose-field" onClick={(event) => {
			if (event.target === event.currentTarget) input.current?.focus();
		}}>
			<label for={id}>{t(`field.${field}`)}</label>
			<div class="chips">
				{list.value.map((address, i) => (
					<span class="chip" key={address.email} title={formatAddress(address)}>
						<span dir="auto">{shortName(address)}</span>
						<button type="button" tabIndex={-1} aria-label={t('compose.remove', { name: formatAddress(address) })} onClick={() => remove(i)}><Icon name="close" /></button>
					</span>
				))}
				<span class="chip-input">
					<input ref={input} id={id} class={bad ? 'bad' : ''} type="text" inputMode="email" autocomplete="off" autocapitalize="none" spellcheck={false} value={text.value} role="combobox" aria-autocomplete="list"
						aria-expanded={suggestions.length > 0} aria-controls={`${id}-list`} aria-activedescendant={suggestions[at] ? `${id}-${at}` : undefined} aria-invalid={bad}
						onInput={(event) => {
							text.value = event.currentTarget.value;
							// A whole address stands for itself; only arrows then choose another.
							setAt(isEmail(text.value.trim()) ? -1 : 0);
							setOpen(true);
						}}
						onPaste={(event) => {
							const pasted = event.clipboardData?.getData('text/plain') ?? '';
							if (!/[,;\n@]/.test(pasted)) return;
							event.preventDefault();
							text.value += pasted;
							commit();
						}}
						onKeyDown={onKeyDown}
						onBlur={() => {
							setOpen(false);
							commit();
						}} />
					{suggestions.length > 0 && <ul class="suggestions" id={`${id}-list`} role="listbox" aria-label={t('compose.suggestions')}>
						{suggestions.map((address, i) => (
							<li key={address.email} id={`${id}-${i}`} role="option" aria-selected={i === at} class={i === at ? 'at' : ''}
								onMouseDown={(event) => {
									event.preventDefault();
									choose(address);
								}}>
								<Avatar address={address} /><span class="suggestion-text"><span dir="auto">{shortName(address)}</span>{address.name && <span class="muted">{address.email}</span>}</span>
							</li>
						))}
					</ul>}
				</span>
			</div>
			{field === 'to' && <span class="more-fields">
				{(['cc', 'bcc'] as const).filter((other) => !composer.shownFields.value[other]).map((other) => (
					<button key={other} type="button" class="button quiet" onClick={() => {
						composer.focus = other;
						composer.shownFields.value = { ...composer.shownFields.value, [other]: true };
					}}>{other === 'cc' ? t('compose.addCc') : t('compose.addBcc')}</button>
				))}
			</span>}
		</div>
	);
}
