// Spanish of patients.en.ts; formal address throughout.

import type { Key } from './patients.en';

export const texts: Record<Key, string> = {
  'nav.patients': 'Pacientes',

  'documents.title': 'Documentos',
  'documents.empty': 'Todavía no hay documentos.',
  'documents.category': 'Tipo de documento',
  'documents.category.insurance_card': 'Tarjeta del seguro',
  'documents.category.identification': 'Identificación',
  'documents.category.referral': 'Carta de derivación',
  'documents.category.photo': 'Foto',
  'documents.category.other': 'Otro',
  'documents.by_patient': 'el paciente',
  'documents.download': 'Descargar',
  'documents.download_of': 'Descargar {name}',
  'documents.remove': 'Quitar',
  'documents.remove_of': 'Quitar {name}',
  'documents.remove.title': '¿Quitar este documento?',
  'documents.remove.what': '{name} ya no se mostrará a nadie. Se conserva, fuera de alcance, mientras deba conservarse el expediente.',
  'documents.file': 'Archivo',
  'documents.hint': 'JPEG, PNG, WebP o PDF, hasta {size}. No se guarda dónde ni cuándo se tomó una foto.',
  'documents.choose': 'Primero elija un archivo.',
  'documents.too_large': 'Este archivo supera {size}. Elija uno más pequeño.',
  'documents.send': 'Agregar documento',
  'documents.sent': '{name} quedó en el expediente.',
  'documents.refused.type': 'Solo se pueden agregar imágenes JPEG, PNG y WebP y documentos PDF. Guárdelo en uno de estos formatos e inténtelo de nuevo.',
  'documents.refused.infected': 'Se encontró un virus en este documento, por lo que no se guardó. No lo envíe a nadie más.',
  'documents.refused.locked': 'Este PDF está protegido con contraseña o con permisos. Guárdelo sin protección e inténtelo de nuevo.',
  'documents.refused.active': 'Este PDF contiene programas u otros archivos. Imprímalo en un PDF nuevo y agregue ese.',
  'documents.refused.pixels': 'Esta imagen tiene demasiados píxeles. Guárdela con menor resolución e inténtelo de nuevo.',
  'documents.refused.unreadable': 'Este documento no se puede leer como lo que dice ser. Ábralo, guárdelo de nuevo e inténtelo otra vez.',
  'documents.refused.not_scanned': 'Ahora mismo no se pueden revisar los documentos en busca de virus, así que no se acepta ninguno. Inténtelo de nuevo en unos minutos.',
};
