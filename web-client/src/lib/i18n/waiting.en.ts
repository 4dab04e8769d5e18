// English: the waiting room, as patients read it.

export const texts = {
  'words.send': 'Send',
  'words.too_long': 'At most {max} characters. Shorten it.',
  'waiting.place': 'Your place',
  'waiting.place.next': 'You are next',
  'waiting.place.ahead': '{n} before you',
  'waiting.wait': 'Your wait',
  'waiting.wait.unknown': 'We can’t say yet',
  'waiting.wait.up_to': 'Up to {to} minutes',
  'waiting.wait.range': '{from} to {to} minutes',
  'waiting.late': 'Delay',
  'waiting.late.about': '{provider} is running about {minutes} minutes late',
  'waiting.held': 'Please wait a little',
  'waiting.moved.title': '{provider} will see you',
  'waiting.moved.body': 'You will see {provider} instead of {former}. You don’t need to do anything.',
  'waiting.announcements': 'From the clinic',
  'waiting.announcement': 'From the clinic, {time}',
  'waiting.chat': 'Write to the clinic',
  'waiting.chat.label': 'Your message to the clinic',
  'declined.title': 'The clinic can’t see you right now',
  'declined.body': 'The link you came by no longer works. We have sent a new one to your email, if the clinic knows it.',
  'declined.next': 'Come back with the new link. If you did not get one, call the clinic.',
  'no_show.title': 'Your visit time has passed',
  'no_show.body': 'The clinic has noted that you did not come. Call the clinic: they can let you in or find another time.',
} as const;

export type Key = keyof typeof texts;
