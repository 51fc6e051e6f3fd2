/** What is spoken to this page. */
export const LANGUAGE_HINT = 'en';
