import static java.nio.charset.StandardCharsets.ISO_8859_1;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

final class MessageLog {
    private static final Logger LOG = LoggerFactory.getLogger("messages");

    /** Logs the bytes of a message; ISO-8859-1 here and in logback.xml keeps each of them as it is. */
    static void log(String method, String source, String destination, byte[] message) {
        LOG.info("[{}][{}][{}]\n{}", method, source, destination, new String(message, ISO_8859_1));
    }
}
