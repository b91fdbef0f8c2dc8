module example.org/haul-downloader-fetchd

go 1.26.0

// Inside haul's repository. In a copy it names a checkout of haul, until haul
// has a release: then `go mod edit -dropreplace=github.com/haul-dl/haul` and
// `go get github.com/haul-dl/haul@latest`.
replace github.com/haul-dl/haul => ../..

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/haul-dl/haul v0.0.0
)

require (
	github.com/fatih/color v1.13.0 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/hashicorp/go-plugin v1.8.0 // indirect
	github.com/hashicorp/yamux v0.1.2 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.22 // indirect
	github.com/oklog/run v1.1.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
