import { listed, type WordLists } from "./word-lists.ts";

const foreign = "It calls functions of another language, which are not looked through";

/** What the names of Go mean. */
export const goWords: WordLists = {
  separator: ".",
  canonical: (path) => path,
  imported: (_, name) => name,
  modules: listed(`
    net net/http net/http/httputil net/http/httptest net/http/cgi net/http/fcgi net/rpc net/rpc/jsonrpc net/smtp
    net/textproto crypto/tls log/syslog golang.org/x/net/websocket golang.org/x/net/http2 golang.org/x/net/proxy
    golang.org/x/net/icmp golang.org/x/net/ipv4 golang.org/x/net/ipv6 golang.org/x/net/dns golang.org/x/net/context/ctxhttp
    golang.org/x/net/quic golang.org/x/crypto/ssh golang.org/x/crypto/acme golang.org/x/oauth2 google.golang.org/grpc
    google.golang.org/api cloud.google.com/go github.com/aws github.com/Azure github.com/gorilla/websocket
    nhooyr.io/websocket github.com/coder/websocket github.com/gobwas/ws github.com/valyala/fasthttp
    github.com/go-resty/resty gopkg.in/resty.v1 github.com/imroc/req github.com/parnurzeal/gorequest
    github.com/hashicorp/go-retryablehttp github.com/hashicorp/go-getter github.com/gin-gonic/gin
    github.com/labstack/echo github.com/gofiber/fiber github.com/go-chi/chi github.com/gorilla/mux github.com/miekg/dns
    github.com/quic-go/quic-go github.com/redis/go-redis github.com/go-redis/redis github.com/gomodule/redigo
    github.com/lib/pq github.com/jackc/pgx github.com/go-sql-driver/mysql github.com/denisenkom/go-mssqldb
    go.mongodb.org/mongo-driver github.com/nats-io/nats.go github.com/segmentio/kafka-go github.com/Shopify/sarama
    github.com/IBM/sarama github.com/streadway/amqp github.com/rabbitmq/amqp091-go github.com/eclipse/paho.mqtt.golang
    github.com/gocolly/colly github.com/PuerkitoBio/goquery github.com/chromedp/chromedp github.com/pkg/sftp
    github.com/jlaffaye/ftp github.com/go-git/go-git gopkg.in/src-d/go-git.v4 github.com/libp2p/go-libp2p
    github.com/slack-go/slack github.com/sashabaranov/go-openai github.com/elastic/go-elasticsearch
    go.etcd.io/etcd/client github.com/hashicorp/consul/api k8s.io/client-go github.com/docker/docker/client
    github.com/olivere/elastic gopkg.in/gomail.v2 github.com/gocql/gocql connectrpc.com/connect github.com/twitchtv/twirp
  `),
  harmless: listed(`
    net/url net/netip net/mail net/http/httptest.NewRecorder net/http.StatusOK net/http.StatusText net/http.Header
    net/http.DetectContentType net.IP net.IPNet net.IPMask net.ParseIP net.ParseCIDR net.ParseMAC net.CIDRMask
    net.IPv4 net.JoinHostPort net.SplitHostPort
  `),
  calls: listed(`
    syscall.Socket syscall.Connect syscall.Sendto syscall.Bind golang.org/x/sys/unix.Socket
    golang.org/x/sys/unix.Connect golang.org/x/sys/unix.Sendto database/sql.Open
  `),
  verbs: listed(
    "Get Post PostForm Head Dial DialTimeout Listen LookupHost LookupIP ListenAndServe NewRequest",
  ),
  imports: listed(""),
  passes: listed("os.Open strings.NewReader bytes.NewBufferString"),
  reads: listed("os.ReadFile io/ioutil.ReadFile"),
  writes: listed(""),
  getters: listed(""),
  binders: listed(""),
  evaluates: listed(""),
  runs: listed(""),
  hiddenMembers: listed(""),
  powerful: listed(""),
  starts: {
    "os/exec.Command": "arguments",
    "os/exec.CommandContext": "second",
    "syscall.Exec": "path",
    "syscall.ForkExec": "path",
    "syscall.StartProcess": "path",
    "os.StartProcess": "path",
    "golang.org/x/sys/unix.Exec": "path",
  },
  hides: {
    C: foreign,
    plugin: "It loads code while it runs, which is not looked through",
    "github.com/ebitengine/purego": foreign,
    "syscall.Syscall": "It calls the kernel by number",
    "syscall.Syscall6": "It calls the kernel by number",
    "syscall.RawSyscall": "It calls the kernel by number",
    "syscall.RawSyscall6": "It calls the kernel by number",
    "golang.org/x/sys/unix.Syscall": "It calls the kernel by number",
    "golang.org/x/sys/unix.RawSyscall": "It calls the kernel by number",
    "github.com/traefik/yaegi": "It runs code that is not looked through",
    "github.com/dop251/goja": "It runs code that is not looked through",
    "github.com/robertkrimen/otto": "It runs code that is not looked through",
    "github.com/yuin/gopher-lua": "It runs code that is not looked through",
    "github.com/tetratelabs/wazero": "It runs machine code, which is not looked through",
  },
};
