import com.amazonaws.xray.AWSXRay;
import com.amazonaws.xray.entities.Segment;
import com.amazonaws.xray.entities.TraceHeader;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * A web service traced by the official X-Ray SDK for Java, with segments made by hand: the JDK's own
 * HTTP server has no filter from the SDK.
 *
 * <p>Prints {@code listening on URL} once it serves, on a port of its own choice. Every answer names
 * its trace in {@code X-Amzn-Trace-Id}.
 */
public final class Shop {
    private static final String NAME = "java-shop";
    private static final int MANY_SUBSEGMENTS = 130;

    private Shop() {}

    public static void main(String[] arguments) throws IOException {
        InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        HttpServer server = HttpServer.create(anyPort, 0);
        server.createContext("/", exchange -> traced(exchange, Shop::order));
        server.createContext("/broken", exchange -> traced(exchange, Shop::broken));
        server.createContext("/many", exchange -> traced(exchange, Shop::many));
        server.start();
        System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
    }

    private static void traced(HttpExchange exchange, Runnable work) throws IOException {
        Segment segment = beginSegment(exchange.getRequestHeaders().getFirst(TraceHeader.HEADER_KEY));
        int status = 200;
        try {
            String url = "http://127.0.0.1" + exchange.getRequestURI();
            segment.putHttp("request", Map.of("method", exchange.getRequestMethod(), "url", url));
            work.run();
        } catch (RuntimeException exception) {
            segment.addException(exception);
            status = 500;
        } finally {
            segment.putHttp("response", Map.of("status", status));
            AWSXRay.endSegment();
        }
        exchange.getResponseHeaders().set(TraceHeader.HEADER_KEY, "Root=" + segment.getTraceId());
        byte[] body = "ok".getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    /** Continues the caller's trace; without a caller the sampling rules decide. */
    private static Segment beginSegment(String header) {
        if (header == null) {
            return AWSXRay.beginSegmentWithSampling(NAME);
        }
        TraceHeader caller = TraceHeader.fromString(header);
        return AWSXRay.beginSegment(NAME, caller.getRootTraceId(), caller.getParentId());
    }

    private static void order() {
        AWSXRay.getCurrentSegment().setUser("customer-7");
        AWSXRay.createSubsegment("price", subsegment -> {
            subsegment.putAnnotation("currency", "EUR");
            subsegment.putAnnotation("express", true);
            subsegment.putMetadata("discount", Map.of("percent", 12.5));
        });
        AWSXRay.createSubsegment("orders-db", subsegment -> {
            subsegment.setNamespace("remote");
            subsegment.putSql("url", "jdbc:postgresql://db.example.com:5432/orders");
            subsegment.putSql("database_type", "PostgreSQL");
        });
    }

    private static void broken() {
        AWSXRay.createSubsegment("price", () -> {
            throw new IllegalStateException("the shelf fell down", new IOException("no screws"));
        });
    }

    /** More subsegments than the SDK keeps in one document, so it streams them. */
    private static void many() {
        for (int number = 0; number < MANY_SUBSEGMENTS; number++) {
            AWSXRay.createSubsegment("step-" + number, () -> {});
        }
    }
}
