/** UUIDs as `guid_parse` takes them. */
const UUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
const UUID_LENGTH = 36;

/** Lower case, or undefined when the text is no UUID of 36 characters with at most one newline behind. */
export function parseUuid(text: string): string | undefined {
  const isLengthOk =
    text.length === UUID_LENGTH || (text.length === UUID_LENGTH + 1 && text.endsWith('\n'));
  const uuid = text.slice(0, UUID_LENGTH);
  return isLengthOk && UUID.test(uuid) ? uuid.toLowerCase() : undefined;
}
