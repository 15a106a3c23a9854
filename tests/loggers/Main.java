import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Logs the messages that the test gives in the list, those of each thread from a thread of its own. */
final class Main {
    public static void main(String[] args) throws Exception {
        Map<String, List<String[]>> threads = new HashMap<>();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] fields = line.split("\t");
            threads.computeIfAbsent(fields[0], thread -> new ArrayList<>()).add(fields);
        }
        List<Thread> running = new ArrayList<>();
        for (List<String[]> messages : threads.values()) {
            Thread thread = new Thread(() -> log(messages));
            thread.start();
            running.add(thread);
        }
        for (Thread thread : running) {
            thread.join();
        }
    }

    private static void log(List<String[]> messages) {
        for (String[] fields : messages) {
            try {
                MessageLog.log(fields[1], fields[2], fields[3], Files.readAllBytes(Path.of(fields[4])));
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }
    }
}
