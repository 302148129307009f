// validate.js FILE: checks an AsyncAPI document with the official parser and prints its errors and warnings; exit code
// 1 where there is one. Reads nothing but the file and the schemas that come with the parser.
const fs = require('fs');
const { Parser } = require('@asyncapi/parser');

// By severity; what is below them is advice, such as to use a newer AsyncAPI.
const SHOWN = ['error', 'warning'];

async function main(file) {
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(file, 'utf8'), { source: file });
  const found = diagnostics.filter(({ severity }) => severity < SHOWN.length);
  for (const { severity, path, range, message } of found) {
    console.log(`${file}:${range.start.line + 1}: ${SHOWN[severity]}: ${message} (${path.join('.')})`);
  }
  if (!document || found.length > 0) return 1;
  const [channels, operations, messages] =
    [document.allChannels(), document.allOperations(), document.allMessages()].map((all) => all.all().length);
  console.log(`${file}: ${channels} channels, ${operations} operations, ${messages} messages`);
  return 0;
}

main(process.argv[2]).then((code) => { process.exitCode = code; });
