/**
 * The text of somebody else, such as a webhook or a kubelet, short enough for a status: a status holds a message several
 * times, and every watch of the object carries all of them. At most `longest` characters, the start of it.
 */
export function cutText(text: string, longest = 500): string {
  if (text.length <= longest) return text;
  // Half a character would come back from the API server as another one, and the status would never be what was written.
  return `${text.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The first few of the names, and how many more there are. */
export function nameFew(names: readonly string[], shown = 5): string {
  const more = names.length - shown;
  return more > 0 ? `${names.slice(0, shown).join(', ')} and ${more} more` : names.join(', ');
}
