// Another camera, microphone or speaker: before the visit and during it.

import type { Call } from '../../call/call';
import type { DeviceChoice } from '../../call/devices';
import { useText } from '../../lib/i18n/text';
import { SelectField } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';

/** A list for each kind of which there are several. */
export function DevicePickers({ call }: { call: Call }) {
  const { t } = useText();
  const { cameras, microphones, speakers, cameraId, microphoneId, speakerId } = useWatched(call.devices.state);
  const picker = (label: string, choices: DeviceChoice[], value: string, choose: (id: string) => void) => choices.length > 1 && (
    <SelectField label={label} value={value} onChange={(event) => choose(event.target.value)}>
      {!choices.some((choice) => choice.id === value) && <option value={value}>{t('join.devices.default')}</option>}
      {choices.map((choice, n) => <option key={choice.id} value={choice.id}>{choice.label || `${label} ${n + 1}`}</option>)}
    </SelectField>
  );
  return (
    <>
      {picker(t('join.devices.camera'), cameras, cameraId, (id) => void call.devices.choose('camera', id))}
      {picker(t('join.devices.microphone'), microphones, microphoneId, (id) => void call.devices.choose('microphone', id))}
      {picker(t('join.devices.speaker'), speakers, speakerId, (id) => call.devices.chooseSpeaker(id))}
    </>
  );
}

/** Whether there is anything to choose. */
export function useChoices(call: Call): boolean {
  const { cameras, microphones, speakers } = useWatched(call.devices.state);
  return cameras.length > 1 || microphones.length > 1 || speakers.length > 1;
}
