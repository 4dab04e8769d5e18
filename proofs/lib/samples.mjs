// Bodies and parameters that a schema of the OpenAPI document allows, with canaries wherever a text may stand.

import { BORN, email, phone, text } from './canaries.mjs';

/** A value that fits `schema`. `ids` are known ids by the name of the member that holds them, without `_id`. */
export function sample(document, schema, ids, name = '') {
  if (schema.$ref) return sample(document, document.components.schemas[schema.$ref.split('/').pop()], ids, name);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return sample(document, choices.find((choice) => choice.type !== 'null') ?? choices[0], ids, name);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => sample(document, part, ids, name)));
  if (schema.enum) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  const type = [schema.type].flat().find((kind) => kind !== 'null') ?? (schema.properties ? 'object' : 'string');
  switch (type) {
    case 'object':
      // Without a cursor: one that the list has not given out is refused before anything else is looked at.
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([member]) => member !== 'cursor')
          .map(([member, of]) => [member, sample(document, of, ids, member)]),
      );
    case 'array':
      return [sample(document, schema.items ?? {}, ids, name.replace(/s$/, ''))];
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    default:
      return word(schema, ids, name);
  }
}

function word({ format, maxLength: max = 200 }, ids, name) {
  if (name === 'token' && ids.token) return ids.token[0];
  if (format === 'uuid') return ids[name.replace(/_id$/, '')]?.[0] ?? '00000000-0000-4000-8000-000000000001';
  if (format === 'date') return BORN;
  if (format === 'date-time') return new Date(Date.now() + 86_400_000).toISOString();
  if (format === 'email' || /email/.test(name)) return email();
  if (/phone/.test(name)) return phone();
  const planted = text();
  return planted.length <= max ? planted : planted.slice(0, max);
}

/** A path with known ids, or words that its parameters allow, where its template has parameters. */
export function pathOf({ path: template, operation }, ids) {
  return template.replace(/\{(\w+)\}/g, (_all, name) => {
    const allowed = operation.parameters?.find((parameter) => parameter.in === 'path' && parameter.name === name)?.schema?.enum;
    const kind = ['appointment', 'visit', 'patient'].find((of) => template.includes(`/${of}s/`));
    return allowed?.[0] ?? ((name === 'id' && kind && ids[kind]?.[0]) || '00000000-0000-4000-8000-000000000001');
  });
}

/**
 * Operations that end the session they are asked with, or take its rights away: they come last, or are left to tests of
 * their own. Streams never end.
 */
export function endsSession({ method, path }) {
  return method !== 'GET' && /\/(sign-out|leave|end-others|sessions|password|deactivate|reset-factors|role|off)(\/|$)/.test(path);
}

/** A stream of events, which never ends. */
export function isStream({ operation }) {
  return Object.values(operation.responses).some(({ content }) => content?.['text/event-stream']);
}
