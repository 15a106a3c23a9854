// Logs the messages that the test gives in the list; the file is rotated in the middle, as logrotate does it.
const { once } = require('events');
const fs = require('fs');
const { setImmediate } = require('timers/promises');
const { logMessage } = require('./message-log.js');

function logAll(lines) {
  for (const line of lines) {
    const [, method, source, destination, file] = line.split('\t');
    logMessage(method, source, destination, fs.readFileSync(file));
  }
}

async function main() {
  const lines = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n');
  const half = lines.length / 2;
  logAll(lines.slice(0, half));
  while (!fs.existsSync('messages.log')) await setImmediate();
  fs.renameSync('messages.log', 'messages.log.1');
  const asked = once(process, 'SIGHUP');
  process.kill(process.pid, 'SIGHUP');
  await asked;
  logAll(lines.slice(half));
}

main();
