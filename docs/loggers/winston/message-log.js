const fs = require('fs');
const { Writable } = require('stream');
const winston = require('winston');

const open = () => fs.createWriteStream('messages.log', { flags: 'a' }).on('error', console.error);
let file = open();
process.on('SIGHUP', () => { // logrotate has renamed the file
  file.end();
  file = open();
});

const stream = new Writable({
  decodeStrings: false,
  write: (record, encoding, done) => { file.write(record, 'latin1', () => done()); },
});
const log = winston.createLogger({
  format: winston.format.printf(({ message }) => message),
  transports: [new winston.transports.Stream({ stream })],
});

/** Logs the bytes of a message, a Buffer; latin1 here and above keeps each of them as it is. */
function logMessage(method, source, destination, message) {
  const now = new Date().toISOString();
  log.info(`[${now}][${method}][${source}][${destination}]\n${message.toString('latin1')}`);
}

module.exports = { logMessage };
