// Español: la sala de espera, como la leen los pacientes.

import type { Key } from './waiting.en';

export const texts: Record<Key, string> = {
  'words.send': 'Enviar',
  'words.too_long': 'Como máximo {max} caracteres. Acórtelo.',
  'waiting.place': 'Su lugar',
  'waiting.place.next': 'Usted es el siguiente',
  'waiting.place.ahead': '{n} antes que usted',
  'waiting.wait': 'Su espera',
  'waiting.wait.unknown': 'Todavía no lo sabemos',
  'waiting.wait.up_to': 'Hasta {to} minutos',
  'waiting.wait.range': 'De {from} a {to} minutos',
  'waiting.late': 'Retraso',
  'waiting.late.about': '{provider} lleva unos {minutes} minutos de retraso',
  'waiting.held': 'Espere un momento, por favor',
  'waiting.moved.title': 'Le atenderá {provider}',
  'waiting.moved.body': 'Le verá {provider} en lugar de {former}. No tiene que hacer nada.',
  'waiting.announcements': 'De la clínica',
  'waiting.announcement': 'De la clínica, {time}',
  'waiting.chat': 'Escribir a la clínica',
  'waiting.chat.label': 'Su mensaje para la clínica',
  'declined.title': 'La clínica no puede atenderle ahora',
  'declined.body': 'El enlace que usó ya no funciona. Le hemos enviado uno nuevo por correo, si la clínica tiene su dirección.',
  'declined.next': 'Vuelva con el enlace nuevo. Si no lo recibió, llame a la clínica.',
  'no_show.title': 'La hora de su visita ya pasó',
  'no_show.body': 'La clínica anotó que usted no vino. Llame a la clínica: pueden dejarle entrar o buscar otra hora.',
};
