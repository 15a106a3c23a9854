import static java.nio.charset.StandardCharsets.ISO_8859_1;

import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

final class MessageLog {
    private static final Logger LOG = LogManager.getLogger("messages");

    /** Logs the bytes of a message; ISO-8859-1 here and in log4j2.xml keeps each of them as it is. */
    static void log(String method, String source, String destination, byte[] message) {
        LOG.info("[{}][{}][{}]\n{}", method, source, destination, new String(message, ISO_8859_1));
    }
}
