import js from '@eslint/js';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import ts from 'typescript-eslint';

// Import direction: generated, lib <- call <- features <- app. A folder never reaches towards the right.
const closed = (folder, forbidden, message) => ({
  files: [`src/${folder}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': ['error', {
      patterns: [{ regex: `(^|/)(${forbidden})(/|$)`, message }],
    }],
  },
});

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/generated', 'e2e'] },
  js.configs.recommended,
  ...ts.configs.strict,
  reactHooks.configs.flat['recommended-latest'],
  {
    languageOptions: { globals: globals.browser },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'error',
      'no-console': 'error',
    },
  },
  { files: ['*.mjs', '*.js', '*.ts', 'dev/**'], languageOptions: { globals: globals.node }, rules: { 'no-console': 'off' } },
  closed('lib', 'app|features|call', 'lib is shared by all: it knows no page and no call.'),
  closed('call', 'app|features|react|react-dom|react-aria-components', 'call is plain TypeScript: no page, no React.'),
  closed('features', 'app', 'A feature does not know the app that shows it.'),
);
