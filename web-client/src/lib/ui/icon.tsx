// Line icons, drawn for this site. Decorative always: the words beside them say it.

const PATHS = {
  microphone: 'M12 4a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V7a3 3 0 0 0-3-3ZM6 11v1a6 6 0 0 0 12 0v-1M12 18v3',
  microphone_off: 'M15 10V7a3 3 0 0 0-5.6-1.5M9 9v3a3 3 0 0 0 4.5 2.6M6 11v1a6 6 0 0 0 9.8 4.6M18 11v1c0 .6-.1 1.2-.3 1.7M12 18v3M4 4l16 16',
  camera: 'M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1ZM15 11l6-3v8l-6-3',
  camera_off: 'M10 7h3a2 2 0 0 1 2 2v3M15 15.5A2 2 0 0 1 13 17H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1h1M15 11l6-3v8l-3-1.5M3 3l18 18',
  screen: 'M4 5h16v11H4ZM9 20h6M12 16v4M12 13V8M9.5 10.5 12 8l2.5 2.5',
  chat: 'M5 5h14a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-7l-4 4v-4H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1Z',
  leave: 'M4.5 14.5c4.5-4 10.500-4 15 0l1.500-2.500c-5-5.500-13-5.500-18 0ZM8 12.300V9.500M16 12.300V9.500',
  record: 'M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM12 9.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5Z',
  stop: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM9.500 9.500h5v5h-5Z',
  phone: 'M6 4h3l1.500 4.500-2 1.500a11 11 0 0 0 5.500 5.500l1.500-2L20 15v3a2 2 0 0 1-2 2A14 14 0 0 1 4 6a2 2 0 0 1 2-2Z',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.500 10 17 19 7',
  warning: 'M12 4 3 19h18ZM12 10v4M12 16.500v.500',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 8v4.500l3 2',
  person: 'M12 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7ZM5 20c.500-4 3.500-6 7-6s6.500 2 7 6',
  link: 'M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1',
  calendar: 'M5 6h14v14H5ZM5 10.500h14M9 3.500V7M15 3.500V7',
  search: 'M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12ZM15.500 15.500 20 20',
  left: 'M14.500 6 8.500 12l6 6',
  right: 'm9.500 6 6 6-6 6',
  play: 'M8 5.500v13l11-6.500Z',
  lock: 'M6 11h12v9H6ZM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  sound: 'M4 10v4h3.500L12 18V6L7.500 10ZM15.500 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11',
  note: 'M6 4h9l4 4v12H6ZM9 12h7M9 16h7',
  settings: 'M4 7h10M18 7h2M4 12h2M10 12h10M4 17h8M16 17h4M16 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM8 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM14 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z',
  send: 'M4 12 20 5l-5 15-3.500-6.500Z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 22 }: { name: IconName; size?: number }) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} fill="none" stroke="currentColor" strokeWidth={1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
