Console.Error.WriteLine("Mesh.Sidecar: not built yet");
return 1;
