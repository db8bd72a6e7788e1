// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The dialogs of settings and of keyboard shortcuts.
import { useState } from 'preact/hooks';
import { language, languages, t, type Key, type Language } from '../i18n.ts';
import { changeIdentity, identities } from '../store/identities.ts';
import { reportError, showToast } from '../store/notices.ts';
import { chooseLanguage, setting, settings, type Theme } from '../store/settings.ts';
import { Dialog } from './parts.tsx';
import { dialog } from './topbar.tsx';

function close(): void {
	dialog.value = null;
}

function Toggle({ label, hint, value, change }: { label: string; hint?: string; value: boolean; change(value: boolean): void }) {
	return (
		<label class="toggle">
			<span>{label}{hint && <span class="muted">{hint}</span>}</span>
			<input type="checkbox" role="switch" checked={value} onChange={(event) => change(event.currentTarget.checked)} />
		</label>
	);
}

export function SettingsDialog() {
	const identity = identities.value[0];
	const [name, setName] = useState(identity?.name ?? '');
	const [signature, setSignature] = useState(identity?.textSignature ?? '');
	const themes: [Theme, Key][] = [['system', 'settings.theme.system'], ['light', 'settings.theme.light'], ['dark', 'settings.theme.dark']];
	const save = async (): Promise<void> => {
		if (!identity) return;
		try {
			await changeIdentity(identity.id, { name: name.trim(), textSignature: signature });
			showToast(t('toast.settings'));
			close();
		} catch (error) {
			reportError(error, 'error.settings');
		}
	};
	return (
		<Dialog title={t('settings.title')} onClose={close}>
			<div class="settings">
				<label class="field inline"><span>{t('language')}</span>
					<select value={language.value} onChange={(event) => void chooseLanguage(event.currentTarget.value as Language)}>
						{languages.map(({ code, name: own }) => <option key={code} value={code} lang={code}>{own}</option>)}
					</select>
				</label>
				<div class="field inline"><span id="settings-theme">{t('settings.theme')}</span>
					<div class="segments" role="group" aria-labelledby="settings-theme">
						{themes.map(([theme, key]) => <button key={theme} type="button" aria-pressed={settings.value.theme === theme} onClick={() => setting({ theme })}>{t(key)}</button>)}
					</div>
				</div>
				<div class="field inline"><span id="settings-undo">{t('settings.undo')}</span>
					<div class="segments" role="group" aria-labelledby="settings-undo">
						{[0, 10, 30].map((seconds) => <button key={seconds} type="button" aria-pressed={settings.value.undoSeconds === seconds} onClick={() => setting({ undoSeconds: seconds })}>{seconds === 0 ? t('settings.undo.off') : t('settings.undo.seconds', { seconds })}</button>)}
					</div>
				</div>
				<Toggle label={t('settings.shortcuts')} value={settings.value.shortcuts} change={(shortcuts) => setting({ shortcuts })} />
				<Toggle label={t('settings.plain')} value={settings.value.plainText} change={(plainText) => setting({ plainText })} />
				<Toggle label={t('settings.images')} hint={t('settings.imagesHint')} value={settings.value.showImages} change={(showImages) => setting({ showImages })} />
				{identity && <form onSubmit={(event) => {
					event.preventDefault();
					void save();
				}}>
					<h3>{t('settings.identity')} <span class="muted">{identity.email}</span></h3>
					<label class="field"><span>{t('settings.name')}</span><input value={name} maxLength={200} autocomplete="name" onInput={(event) => setName(event.currentTarget.value)} /></label>
					<label class="field"><span>{t('settings.signature')}</span><textarea rows={3} maxLength={10000} value={signature} onInput={(event) => setSignature(event.currentTarget.value)} /></label>
					<div class="dialog-buttons"><button type="submit" class="button primary">{t('save')}</button></div>
				</form>}
			</div>
		</Dialog>
	);
}

const shortcuts: [string[], Key][] = [
	[['j', '↓'], 'help.next'], [['k', '↑'], 'help.previous'], [['Enter'], 'help.open'], [['Esc'], 'help.close'], [['x'], 'help.select'], [['Ctrl A'], 'help.selectAll'], [['c'], 'compose'], [['r'], 'action.reply'],
	[['a'], 'action.replyAll'], [['f'], 'action.forward'], [['e'], 'action.archive'], [['Del', '#'], 'action.delete'], [['v'], 'action.move'], [['!'], 'action.junk'], [['u'], 'help.unread'], [['s'], 'action.flag'],
	[['t'], 'action.text'], [['/'], 'search.label'], [['Ctrl Enter'], 'compose.send'], [['?'], 'help.help'],
];

export function HelpDialog() {
	return (
		<Dialog title={t('help.title')} onClose={close}>
			<Toggle label={t('settings.shortcuts')} value={settings.value.shortcuts} change={(on) => setting({ shortcuts: on })} />
			<dl class="shortcuts">
				{shortcuts.map(([keys, key]) => <div key={key}><dt>{keys.map((name) => <kbd key={name}>{name}</kbd>)}</dt><dd>{t(key)}</dd></div>)}
			</dl>
		</Dialog>
	);
}
