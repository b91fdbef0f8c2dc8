package driver

// optionsSchema describes what a user may set for a job, under aria2's own
// names. Every value that it lets through aria2 takes. The driver sets what
// concerns rates, seeding, files and pausing; see reservedOptions.
const optionsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Options of aria2",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "split": {
      "type": "integer",
      "title": "Connections per file",
      "description": "How many connections load one file at most.",
      "minimum": 1,
      "maximum": 64
    },
    "max-connection-per-server": {
      "type": "integer",
      "title": "Connections per server",
      "description": "How many connections go to one server at most, for one file.",
      "minimum": 1,
      "maximum": 16
    },
    "min-split-size": {
      "type": "integer",
      "title": "Smallest part",
      "description": "A file is loaded over several connections only where each part has this many bytes.",
      "minimum": 1048576,
      "maximum": 1073741824
    },
    "max-tries": {
      "type": "integer",
      "title": "Tries",
      "description": "How often a server is tried that gives no answer, or says that it is busy. 0 is without end.",
      "minimum": 0,
      "maximum": 1000
    },
    "retry-wait": {
      "type": "integer",
      "title": "Wait between tries",
      "description": "In seconds.",
      "minimum": 0,
      "maximum": 600
    },
    "timeout": {
      "type": "integer",
      "title": "Timeout",
      "description": "How many seconds a server may be silent.",
      "minimum": 1,
      "maximum": 600
    },
    "connect-timeout": {
      "type": "integer",
      "title": "Connect timeout",
      "description": "How many seconds a connection may take to be made.",
      "minimum": 1,
      "maximum": 600
    },
    "lowest-speed-limit": {
      "type": "integer",
      "title": "Lowest speed",
      "description": "A connection that is slower, in bytes per second, is given up. 0 keeps all. Not for BitTorrent.",
      "minimum": 0,
      "maximum": 1073741824
    },
    "header": {
      "type": "array",
      "title": "HTTP headers",
      "description": "Sent with each request, such as \"Cookie: a=b\". Headers that say where a request goes or how it is sent are not taken.",
      "writeOnly": true,
      "minItems": 1,
      "maxItems": 32,
      "items": {
        "type": "string",
        "maxLength": 8192,
        "pattern": "^[!#$%&\\x27*+.^_\\x60|~0-9A-Za-z-]+: ?[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$",
        "not": {
          "pattern": "^([Hh][Oo][Ss][Tt]|[Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]|[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]|[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]|[Tt][Ee]|[Tt][Rr][Aa][Ii][Ll][Ee][Rr]|[Uu][Pp][Gg][Rr][Aa][Dd][Ee]|[Kk][Ee][Ee][Pp]-[Aa][Ll][Ii][Vv][Ee]|[Ee][Xx][Pp][Ee][Cc][Tt]|[Rr][Aa][Nn][Gg][Ee]|[Ii][Ff]-[Rr][Aa][Nn][Gg][Ee]|[Aa][Cc][Cc][Ee][Pp][Tt]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]|[Pp][Rr][Oo][Xx][Yy]-.*):"
        }
      }
    },
    "referer": {
      "type": "string",
      "title": "Referer",
      "description": "The Referer header; * sends the URL itself.",
      "minLength": 1,
      "maxLength": 2048,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$"
    },
    "user-agent": {
      "type": "string",
      "title": "User agent",
      "description": "The User-Agent header.",
      "minLength": 1,
      "maxLength": 512,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$"
    },
    "http-user": {
      "type": "string",
      "title": "HTTP user",
      "description": "For servers that ask for a login.",
      "minLength": 1,
      "maxLength": 256,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$"
    },
    "http-passwd": {
      "type": "string",
      "title": "HTTP password",
      "description": "For servers that ask for a login.",
      "minLength": 1,
      "maxLength": 256,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$",
      "writeOnly": true
    },
    "ftp-user": {
      "type": "string",
      "title": "FTP user",
      "description": "For FTP servers.",
      "minLength": 1,
      "maxLength": 256,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$"
    },
    "ftp-passwd": {
      "type": "string",
      "title": "FTP password",
      "description": "For FTP servers.",
      "minLength": 1,
      "maxLength": 256,
      "pattern": "^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$",
      "writeOnly": true
    },
    "http-no-cache": {
      "type": "boolean",
      "title": "No cache",
      "description": "Ask proxies on the way not to answer from their cache."
    },
    "remote-time": {
      "type": "boolean",
      "title": "Server's time",
      "description": "Give the file the time of change that the server tells."
    },
    "stream-piece-selector": {
      "type": "string",
      "title": "Order of parts",
      "description": "In which order the parts of a file are loaded: inorder suits players. Not for BitTorrent.",
      "enum": [
        "default",
        "inorder",
        "random",
        "geom"
      ]
    },
    "checksum": {
      "type": "string",
      "title": "Checksum",
      "description": "What the file must have, as TYPE=HEX. For a single file by HTTP or FTP.",
      "pattern": "^(sha-1=[0-9a-fA-F]{40}|sha-224=[0-9a-fA-F]{56}|sha-256=[0-9a-fA-F]{64}|sha-384=[0-9a-fA-F]{96}|sha-512=[0-9a-fA-F]{128}|md5=[0-9a-fA-F]{32})$",
      "examples": [
        "sha-256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
      ]
    },
    "bt-max-peers": {
      "type": "integer",
      "title": "Peers",
      "description": "How many peers a torrent is loaded from at most; 0 is no limit.",
      "minimum": 0,
      "maximum": 10000
    },
    "bt-stop-timeout": {
      "type": "integer",
      "title": "Give up after",
      "description": "A torrent that gets no data for this many seconds fails; 0 waits for ever.",
      "minimum": 0,
      "maximum": 31536000
    },
    "bt-prioritize-piece": {
      "type": "string",
      "title": "First pieces",
      "description": "Load the head or the tail of each file first, such as \"head=2M,tail=2M\", for players.",
      "maxLength": 64,
      "pattern": "^(head(=[0-9]{1,9}[KM]?)?(,tail(=[0-9]{1,9}[KM]?)?)?|tail(=[0-9]{1,9}[KM]?)?(,head(=[0-9]{1,9}[KM]?)?)?)$"
    },
    "bt-force-encryption": {
      "type": "boolean",
      "title": "Encryption",
      "description": "Talk to peers only where the connection is encrypted."
    }
  }
}`
